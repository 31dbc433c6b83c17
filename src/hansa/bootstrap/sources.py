"""Opens the topics of other systems that triggers follow, by the connections of their products."""

from __future__ import annotations

from hansa.egress.schemas import PREFIX, ForeignSchemas
from hansa.egress.settings import ConnectionSetting, Settings, malformed
from hansa.errors import OperatorError
from hansa.model.product import KafkaTrigger
from hansa.triggers.decoding import Decoding
from hansa.triggers.landing import Source


def open_source(settings: Settings, product: str, trigger: KafkaTrigger) -> Source:
    """Raises `OperatorError` (`connection.*`, `kafka.*`)."""
    try:
        from hansa.triggers.kafka import KafkaSource
    except ImportError as failure:
        raise OperatorError(
            "kafka.driver",
            "A trigger of Kafka needs the package confluent-kafka, which is not installed",
            hint="pip install 'hansa[kafka]'",
        ) from failure
    found = settings.connection(product, trigger.connection)
    if found.kind != "kafka":
        raise malformed(found.name, f"it is of type {found.kind}", "A trigger of Kafka takes one of type kafka.")
    schemas = ForeignSchemas(found.settings) if f"{PREFIX}url" in found.settings else None
    decoding = Decoding(trigger.value, schemas.schema if schemas else None)
    return KafkaSource(client_settings(found), trigger.topic, trigger.source, decoding)


def client_settings(connection: ConnectionSetting) -> dict[str, str]:
    """The settings of librdkafka that a connection has: its own, and what its address, user and secret say."""
    own = {name: value for name, value in connection.settings.items() if not name.startswith(PREFIX)}
    found = {"bootstrap.servers": connection.url.removeprefix("kafka://").rstrip("/")}
    if connection.user is not None:
        found |= {"sasl.username": connection.user, "sasl.password": connection.secret or ""}
        found |= {"sasl.mechanism": "PLAIN", "security.protocol": "SASL_SSL"}
    return {**found, **own}
