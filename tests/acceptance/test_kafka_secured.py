"""Kafka as companies run it: TLS, SASL/SCRAM, and no right more than the guide lists. Each right that is left out makes
a failure that names it, and a node that has them all does everything."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from engines.certificates import write_certificates
from engines.kafka_secured import Right, SecuredKafka
from engines.process import removed, scratch
from made import write
from nodes import Engines, nodes
from topics import seen, until

from hansa.errors import HansaError
from hansa.eventlog.interface import Append, CommitSet, Committed, TopicConfig, encode_entry
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_access import prepare
from hansa.eventlog.kafka_copy import Copy
from hansa.eventlog.kafka_reading import KafkaLogReader, facts_topic
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind
from hansa.outputs.kafka import PublishedTopics
from hansa.outputs.kafka_groups import GroupOffsets
from hansa.outputs.relay import Part
from hansa.outputs.topic import Message, Published, Standing
from hansa.triggers.kafka import KafkaSource

PRODUCTS = Path(__file__).parent / "products"
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "kafka.md"
ROW = re.compile(r"^\| (topic|transactional id|group) \| `([^`]+)` \| ([A-Z_`, ]+) \|", re.MULTILINE)
LISTED = [
    (kind.upper().replace(" ", "_"), name, right)
    for kind, name, rights in ROW.findall(GUIDE.read_text("utf-8"))
    for right in re.findall(r"\w+", rights)
]
ORDERS = """
from hansa import Context, DataProduct, on, reply

product = DataProduct(__file__)


@product.logic
def take(order: dict[str, str], *, ctx: Context) -> None:
    ctx.emit("ordered", source=order["id"], payload=order)


product.process("take", take, reply, on=on.kafka("TOPIC", connection="warehouse"))
"""
CONNECTION = """
all:
  warehouse:
    type: kafka
    url: 'kafka://{kafka}'
    user: {user}
    secret: {{env: WAREHOUSE_PASSWORD}}
    settings: {{sasl.mechanism: SCRAM-SHA-512, ssl.ca.location: '{authority}'}}
"""


@pytest.fixture(scope="module")
def broker(kafka_address: str) -> Iterator[SecuredKafka]:
    """A broker of this module's own. (The shared one says whether any can run here.)"""
    del kafka_address
    with contextlib.ExitStack() as ended:
        folder = scratch("kafka")
        ended.callback(removed, folder)
        made = SecuredKafka(folder)
        ended.callback(made.stop)
        made.start()
        yield made


def rights(name: str) -> list[Right]:
    """Those that the guide lists, for a log of that name and topics that begin with it."""
    return [Right(kind, text.replace("NAME", name).replace("PREFIX", f"{name}-"), does) for kind, text, does in LISTED]


def settings(broker: SecuredKafka, user: str, **other: str) -> dict[str, str]:
    return {"bootstrap.servers": broker.secured, "log_level": "0", **broker.settings(user, **other)}


class Told:
    """What a node would have said."""

    def __init__(self, log: str, given: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
        self._log, self._given, self._caplog = log, given, caplog
        self.lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join([*self.lines, *self._caplog.messages])

    def does_everything(self) -> None:
        """All that a node does in Kafka: the log, a port on its topic, a group that Kafka's tools are shown."""
        prepare(self._given, facts_topic(self._log), 1)
        with (
            contextlib.closing(Copy()) as copy,
            contextlib.closing(KafkaLogReader(self._given, self._log, copy)) as follower,
        ):
            log = KafkaLog(self._given, self._log)
            try:
                self._commits(log)
                assert follower.reach(log.mark, 10)
                assert len(follower.read("t", 0, 0)) == 2
                assert log.trim("t", 0, 1) == 1
            finally:
                log.stop()
        self._publishes()

    def _commits(self, log: KafkaLog) -> None:
        told: queue.Queue[Any] = queue.Queue()
        log.start(told.put)
        log.declare("t", TopicConfig())
        log.declare("t", TopicConfig(partitions=2))
        for number in range(2):
            log.submit(CommitSet(appends=(Append("t", 0, 1, encode_entry(None, "x"), {}),)), number)
            ((_, outcome),) = told.get(timeout=20)
            assert isinstance(outcome, Committed), outcome

    def _publishes(self) -> None:
        topics = PublishedTopics(self._given, self._log, 1, self.lines.append)
        made = self._port()
        assert topics.open(made) == [0]
        topics.write([Part(made, 0, [Message(0, b"k", b"v", (("ce_id", b"0-0"),), 1)], 1)])
        assert topics.open(self._port(partitions=2, retention_s=60)) == [1, 0]
        topics.forget([made], {1}, 1)
        topics.close()
        with contextlib.closing(GroupOffsets(self._given)) as groups:
            groups.show([Standing(f"{self._log}-group", made.topic, 0, 1, is_level=True)])

    def _port(self, *, partitions: int = 1, retention_s: float = 90.0) -> Published:
        contract = ContractSpec("trips", "1.0.0", (FieldSpec("id", "string"),))
        port = OutputPortSpec("a.b/trips@1", "trips", "1.0.0", PortKind.STREAM, contract)
        return Published(replace(port, partitions=partitions, retention_s=retention_s), f"{self._log}-trips")


def test_who_has_the_rights_that_the_guide_lists_may_do_everything(
    broker: SecuredKafka, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"log{uuid.uuid4().hex[:8]}"
    broker.add(name, rights(name))
    told = Told(name, settings(broker, name), caplog)
    told.does_everything()
    assert [line for line in str(told).splitlines() if "retention.ms" not in line] == []


@pytest.mark.parametrize("left_out", LISTED, ids="-".join)
def test_a_right_that_is_left_out_is_named(
    broker: SecuredKafka, caplog: pytest.LogCaptureFixture, left_out: tuple[str, str, str]
) -> None:
    name = f"log{uuid.uuid4().hex[:8]}"
    (lacked,) = [right for right, listed in zip(rights(name), LISTED, strict=True) if listed == left_out]
    broker.add(name, [right for right in rights(name) if right != lacked])
    told = Told(name, settings(broker, name), caplog)
    try:
        told.does_everything()
        said = str(told)
    except HansaError as failure:
        said = f"{failure.code}: {failure.message} {failure.hint}"
    assert lacked.does in said
    assert lacked.name.removesuffix("*") in said


@pytest.mark.parametrize(
    ("other", "code", "how"),
    [
        ({"sasl_password": "wrong"}, "kafka.denied", "sasl.password"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "kafka.denied", "SCRAM-SHA-512"),
        ({"ssl_ca_location": "OTHER"}, "kafka.untrusted", "ssl.ca.location"),
        ({"ssl_ca_location": "/none.crt"}, "log.settings", "ssl.ca.location"),
        ({"nonsense": "1"}, "log.settings", "nonsense"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    broker: SecuredKafka, tmp_path: Path, other: dict[str, str], code: str, how: str
) -> None:
    other = {name: value.replace("OTHER", str(write_certificates(tmp_path))) for name, value in other.items()}
    broker.add("someone", [])
    with pytest.raises(HansaError) as refused:
        prepare(settings(broker, "someone", **other), "log._facts", 1)
    assert refused.value.code == code
    assert how in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    ("other", "code"), [({"sasl_password": "wrong"}, "kafka.source"), ({"ssl_ca_location": ""}, "kafka.source")]
)
def test_a_source_whose_connection_is_not_let_in_says_why(
    broker: SecuredKafka, other: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.triggers.kafka.ASK_S", 1.0)
    broker.add("someone", [])
    source = KafkaSource(settings(broker, "someone", **other), "orders", "warehouse/orders", lambda raw, _: (raw, {}))
    with contextlib.closing(source), pytest.raises(HansaError, match=r"credentials|certificate") as refused:
        source.partitions()
    assert refused.value.code == code


@pytest.fixture
def engines(broker: SecuredKafka, postgresql_address: str, s3_address: str) -> Engines:
    """What nodes share whose user has the rights that the guide lists."""
    made = Engines(broker.address, postgresql_address, s3_address)
    broker.add(made.name, rights(made.name))
    return made


def environment(broker: SecuredKafka, engines: Engines, folder: Path, **other: str) -> dict[str, str]:
    file = folder / "kafka.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in broker.settings(engines.name, **other).items()))
    return {"HANSA_LOG": f"kafka://{broker.secured}/{engines.name}", "HANSA_KAFKA_SETTINGS": str(file)}


def test_a_node_with_these_rights_deploys_calls_publishes_and_reads_topics_of_others(
    broker: SecuredKafka, engines: Engines, tmp_path: Path
) -> None:
    foreign = f"foreign-{engines.name}"
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(foreign, 1, 1)])[foreign].result()
    broker.add("reader", [Right("TOPIC", foreign, "READ"), Right("GROUP", "hansa-landing", "DESCRIBE")])
    more = environment(broker, engines, tmp_path) | {"WAREHOUSE_PASSWORD": "reader-secret"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "connections.yaml").write_text(
        CONNECTION.format(kafka=broker.secured, user="reader", authority=broker.authority)
    )
    with nodes(tmp_path, engines, 1, **more) as cluster:
        (node,) = cluster.nodes
        node.deploy(PRODUCTS / "till", "shop.till")
        wanted = "customProperties:\n- {property: connections, value: [warehouse], vendor: hansa}\n"
        orders = write(tmp_path / "orders", "shop.orders", ORDERS.replace("TOPIC", foreign), more=wanted)
        node.deploy(orders, "shop.orders")
        assert node.call("POST", "/shop/till/sync", {"id": "called"}).status_code == 200
        producer = Producer({"bootstrap.servers": broker.address})
        producer.produce(foreign, json.dumps({"id": "foreign"}))
        producer.flush()
        assert until(lambda: node.events('name=ordered and source="foreign"'))
        topic = f"{engines.name}-shop-till-sales-v1"
        assert until(lambda: any(b"called" in (sale.value or b"") for sale in seen(broker.address, topic)))
        assert "denied" not in node.output.read_text()
        assert "authorization" not in node.output.read_text()


def started(environment: dict[str, str], folder: Path) -> tuple[int, list[str]]:
    """The exit code of a start that fails, and what it printed."""
    command = [str(Path(sys.executable).with_name("hansa")), "up", "--data", str(folder / "data"), "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(
    ("lacked", "password", "code"),
    [
        ("", "wrong", "kafka.denied"),
        pytest.param("TRANSACTIONAL_ID", "", "log.unowned", marks=pytest.mark.slow),
    ],
)
def test_a_node_that_is_not_let_in_ends_with_two_lines(
    broker: SecuredKafka, engines: Engines, tmp_path: Path, lacked: str, password: str, code: str
) -> None:
    user = f"{engines.name}-other"
    broker.add(user, [right for right in rights(engines.name) if right.kind != lacked])
    other = {"sasl_username": user, "sasl_password": password or f"{user}-secret"}
    status, lines = started(
        {**engines.environment(), **environment(broker, engines, tmp_path, **other), "PATH": "/usr/bin:/bin"}, tmp_path
    )
    assert status in (1, 3)
    (what,) = [line for line in lines if line.startswith("error: ")]
    how = lines[lines.index(what) + 1]
    assert what.endswith(f"[{code}]")
    assert how.startswith("  how: ")
