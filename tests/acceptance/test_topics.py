"""Ports as topics of Kafka: every record once, in order, whatever befalls the node that writes them."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import kill, pause
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from ledger import Ledger, selling
from nodes import Cluster, Engines, nodes
from test_faults_kills import come_to_rest
from topics import Seen, config_of, delete, seen, until
from wires import RECORDS, WIRES, wires

from hansa.eventlog.kafka_client import Record, Transactions
from hansa.eventlog.kafka_confirmed import Confirmed
from hansa.eventlog.kafka_topics import ENDS_S, Topics
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind
from hansa.outputs.kafka import PublishedTopics
from hansa.outputs.topic import Published

PRODUCTS = Path(__file__).parent / "products"
KILLS = 2


@pytest.fixture(scope="module")
def engines(kafka_address: str, postgresql_address: str, s3_address: str) -> Engines:
    return Engines(kafka_address, postgresql_address, s3_address)


@pytest.fixture(scope="module")
def air(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A node with `air.wires`, whose port `bills` had its topic's name taken before it came."""
    folder = tmp_path_factory.mktemp("air")
    admin = AdminClient({"bootstrap.servers": engines.kafka})
    admin.create_topics([NewTopic(topic(engines, "bills"), 1, 1)])[topic(engines, "bills")].result()
    producer = Producer({"bootstrap.servers": engines.kafka})
    producer.produce(topic(engines, "bills"), b"not Hansa's")
    producer.flush()
    with nodes(folder, engines, 1) as cluster:
        cluster.nodes[0].deploy(wires(folder / "wires"), WIRES)
        publish(cluster)
        yield cluster


def topic(engines: Engines, port: str) -> str:
    return f"{engines.name}-air-wires-{port}-v1"


def publish(cluster: Cluster) -> None:
    cluster.nodes[0].call("POST", "/air/wires/publish", RECORDS).raise_for_status()


def has(cluster: Cluster, port: str, count: int) -> list[Seen]:
    """What stands on the topic of a port, once it is so many records."""
    name = topic(cluster.engines, port)
    until(lambda: len(seen(cluster.engines.kafka, name)) >= count)
    return seen(cluster.engines.kafka, name)


def test_a_record_is_a_cloudevent_in_binary_mode(air: Cluster) -> None:
    first, second = has(air, "trips", 2)[:2]
    assert (first.key, second.key) == (b"a", b"b")
    assert first.value is not None
    assert first.value[:1] == b"\0"
    told = dict(first.headers)
    assert told.pop("ce_time").endswith("Z")
    assert told.pop("ce_run")
    assert told == {
        "ce_id": "0-00000000000000000000", "ce_specversion": "1.0", "ce_type": "air.wires.trips.v1",
        "ce_source": "urn:hansa:air.wires/trips@1", "ce_subject": "a", "content-type": "application/avro",
    }  # fmt: skip


def test_a_topic_that_another_wrote_to_is_let_alone_and_the_others_go_on(air: Cluster) -> None:
    name = topic(air.engines, "bills")
    assert len(has(air, "fares", 2)) >= 2
    said = air.nodes[0].output.read_text()
    assert f"not published: {WIRES}/bills@1" in said
    assert "HANSA_TOPICS_PREFIX" in said
    assert [record.value for record in seen(air.engines.kafka, name)] == [b"not Hansa's"]
    delete(air.engines.kafka, name)
    until(lambda: [r.value for r in seen(air.engines.kafka, name)] not in ([], [b"not Hansa's"]))
    values = [json.loads(record.value[5:]) for record in has(air, "bills", 2) if record.value]
    assert [value["trip_id"] for value in values][:2] == ["a", "b"]


def test_a_topic_is_made_anew_with_all_that_the_log_has_and_kept_as_the_contract_says(air: Cluster) -> None:
    kafka, name = air.engines.kafka, topic(air.engines, "fares")
    before = len(has(air, "fares", 2))
    node = air.nodes[0]
    node.stop()
    delete(kafka, name)
    node.start(HANSA_TOPICS="off")
    publish(air)
    node.stop()
    node.start()
    ids = [record.headers["ce_id"] for record in has(air, "fares", before + 2)]
    assert ids == [f"0-{position:020d}" for position in range(before + 2)]
    kept = config_of(kafka, name)
    assert (kept["cleanup.policy"], kept["retention.ms"]) == ("delete", "-1")


def test_a_topic_whose_first_records_were_aborted_is_not_taken_for_anothers(engines: Engines) -> None:
    settings, name = {"bootstrap.servers": engines.kafka, "log_level": 2}, f"{engines.name}aborted"
    contract = ContractSpec("trips", "1.0.0", (FieldSpec("id", "string"),))
    made = Published(OutputPortSpec("a.b/trips@1", "trips", "1.0.0", PortKind.STREAM, contract), f"{name}-trips")
    assert PublishedTopics(settings, name, 1).open(made) == [0]
    with contextlib.suppress(KeyError), Transactions(settings, f"{name}._relay").transaction() as write:
        write([Record(made.topic, 0, b"k", b"v")])
        raise KeyError
    assert PublishedTopics(settings, name, 1).open(made) == [0]
    assert seen(engines.kafka, made.topic) == []


def test_topics_that_are_gone_are_not_waited_for(engines: Engines) -> None:
    settings, name = {"bootstrap.servers": engines.kafka, "log_level": 2}, f"{engines.name}gone"
    topics = Topics(settings)
    topics.ensure(name, 1)
    with contextlib.closing(Confirmed(settings, name, topics, Record(name, 0, b"", None))) as relayed:
        begun_s = time.monotonic()
        relayed.settle_beside((f"{name}-{number}", 0) for number in range(3))
        assert time.monotonic() - begun_s < ENDS_S


def test_who_is_forgotten_is_deleted_from_a_topic_that_keeps_the_last_record(air: Cluster, tmp_path: Path) -> None:
    node, name = air.nodes[0], f"{air.engines.name}-crm-people-customers-v1"
    people = shutil.copytree(PRODUCTS / "people", tmp_path / "people")
    contract = people / "contracts" / "customers@1.odcs.yaml"
    contract.write_text(contract.read_text() + "servers: [{server: cluster, type: kafka, host: 'kafka:9092'}]\n")
    done = node.deploy(people, "crm.people")
    assert any("stand in clear" in note for note in done["notes"])
    for person in ("bo", "al"):
        answer = node.call("PUT", "/crm/people/customers", {"customer_id": person, "email": "e", "city": "c"})
        answer.raise_for_status()
    until(lambda: len(seen(air.engines.kafka, name)) == 2)
    node.call("POST", "/forget", {"subject": "bo", "product": "crm.people", "confirm": True}).raise_for_status()
    until(lambda: len(seen(air.engines.kafka, name)) == 3)
    last = {record.key: record.value is not None for record in seen(air.engines.kafka, name)}
    assert last == {b"bo": False, b"al": True}
    assert config_of(air.engines.kafka, name)["cleanup.policy"] == "compact"


@pytest.mark.slow
def test_whatever_becomes_of_the_owner_each_record_stands_once_and_in_order(tmp_path: Path, engines: Engines) -> None:
    own, chance, ledger = engines.another(), random.Random(0), Ledger()
    with nodes(tmp_path, own) as cluster:
        for product in ("till", "books"):
            cluster.nodes[0].deploy(PRODUCTS / product, f"shop.{product}")
        with selling(cluster, ledger, 3):
            for number in range(KILLS):
                time.sleep(chance.uniform(0.3, 1.5))
                (pause if number % 4 == 1 else kill)(cluster, cluster.owner())
        cluster.nodes[0].http.post("/triggers/shop.till:sell_on_time/0/pause").raise_for_status()
        come_to_rest(cluster.nodes[1])
        found = sales(cluster)
    assert {record.headers["ce_subject"] for record in found} >= {*ledger.done} - {
        sale for sale in ledger.done if sale.startswith("chunks")
    }
    assert len(found) > 50


def sales(cluster: Cluster) -> list[Seen]:
    """What was sold, as it stands on its topic, which has each record of the port once and in order."""
    kafka, name = cluster.engines.kafka, f"{cluster.engines.name}-shop-till-sales-v1"
    end = cluster.nodes[0].http.get("/ports/shop.till/sales@1").json()["bounds"]["0"]["end"]
    until(lambda: len(seen(kafka, name)) >= end)
    found = seen(kafka, name)
    assert [record.headers["ce_id"] for record in found] == [f"0-{position:020d}" for position in range(end)]
    return found
