"""Settings of topics, and of connections to other systems' Kafka."""

from __future__ import annotations

import pytest

from hansa.bootstrap.place import place_from
from hansa.bootstrap.sources import client_settings
from hansa.egress.settings import ConnectionSetting
from hansa.errors import OperatorError

LOG = {"HANSA_LOG": "kafka://k:1/hansa_one"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, ""), ({"HANSA_TOPICS": "off"}, None), ({"HANSA_TOPICS_PREFIX": "prod-"}, "prod-")],
)
def test_ports_have_topics_unless_that_is_turned_off(environment: dict[str, str], expected: str | None) -> None:
    assert place_from({**LOG, **environment}, "127.0.0.1", 0).topics == expected


@pytest.mark.parametrize(
    "environment",
    [{"HANSA_TOPICS": "maybe"}]
    + [{"HANSA_TOPICS_PREFIX": prefix} for prefix in ("hansa_one.", "hansa.one_x", "a b", "x" * 101)],
)
def test_a_prefix_that_no_topic_can_have_or_that_is_the_logs_own_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(OperatorError) as caught:
        place_from({**LOG, **environment}, "127.0.0.1", 0)
    assert caught.value.code == "topics.setting"


def test_a_connection_is_settings_of_librdkafka() -> None:
    plain = ConnectionSetting("warehouse", "kafka", "kafka://a:1,b:2/", settings={"schema.registry.url": "http://r"})
    assert client_settings(plain) == {"bootstrap.servers": "a:1,b:2"}
    named = ConnectionSetting(
        "warehouse", "kafka", "a:1", user="me", secret="s", settings={"sasl.mechanism": "SCRAM-SHA-512"}
    )
    assert client_settings(named) == {
        "bootstrap.servers": "a:1", "sasl.username": "me", "sasl.password": "s",
        "sasl.mechanism": "SCRAM-SHA-512", "security.protocol": "SASL_SSL",
    }  # fmt: skip
    assert "s" in named.secrets()
