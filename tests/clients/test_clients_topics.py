"""Stock clients of Kafka against the topics of ports: confluent-kafka's deserialisers with Hansa's schema registry,
kcat, and Kafka's own kafka-consumer-groups. Nothing of Hansa is in them but addresses and a token."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import install
from nodes import Cluster, Engines, nodes
from strangers import stranger
from topics import seen, until
from wires import FORMATS, RECORDS, WIRES, wires

HERE = Path(__file__).parent
PRODUCTS = HERE.parent / "acceptance" / "products"
CONFLUENT = "confluent-kafka[schemaregistry,avro,json,protobuf,rules]==2.16.0"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def air(
    kafka_address: str, postgresql_address: str, s3_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A node with a port in each format; its topics have the names that the schema registry has subjects for."""
    folder = tmp_path_factory.mktemp("air")
    engines = Engines(kafka_address, postgresql_address, s3_address)
    with nodes(folder, engines, 1, HANSA_TOPICS_PREFIX="") as cluster:
        cluster.nodes[0].deploy(wires(folder / "wires"), WIRES)
        cluster.nodes[0].call("POST", "/air/wires/publish", RECORDS).raise_for_status()
        yield cluster


def topic(air: Cluster, port: str) -> str:
    """The topic of a port, once both records stand there."""
    name = f"air-wires-{port}-v1"
    until(lambda: len(seen(air.engines.kafka, name)) == len(RECORDS))
    return name


@pytest.mark.parametrize(("port", "form"), FORMATS.items())
def test_stock_deserialisers_read_every_record(air: Cluster, port: str, form: str) -> None:
    node = air.nodes[0]
    client = [stranger(CONFLUENT) / "python", HERE / "topic_client.py"]
    given = [air.engines.kafka, f"{node.url}/schema-registry", node.token, topic(air, port), form]
    done = subprocess.run([*client, *given], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr[-3000:]
    records = node.records(f"{WIRES}/{port}@1")
    found = json.loads(done.stdout)
    assert [{k: v for k, v in record.items() if k not in ("landed_at", "note")} for record in found] == [
        {k: v for k, v in record.items() if k not in ("landed_at", "note")} for record in records
    ]
    assert [record.get("note") for record in found] == ["late", None]
    assert [record["landed_at"][:19] for record in found] == [record["landed_at"][:19] for record in records]


def test_kcat_lists_and_reads_a_topic(air: Cluster) -> None:
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("left out: kcat is not installed (apt install kcat)")
    name = topic(air, "bills")
    listed = subprocess.run(
        [kcat, "-b", air.engines.kafka, "-L", "-t", name], capture_output=True, text=True, check=True
    )
    assert f'topic "{name}" with 1 partitions' in listed.stdout
    read = [kcat, "-b", air.engines.kafka, "-C", "-e", "-q", "-t", name, "-s", "key=s", "-f", "%k %h\n"]
    lines = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["a", "b"]
    assert all("ce_type=air.wires.bills.v1" in line for line in lines)


def test_kafka_consumer_groups_shows_the_lag_of_a_group_on_it(air: Cluster) -> None:
    node = air.nodes[0]
    client = [stranger(CONFLUENT) / "python", HERE / "topic_client.py"]
    given = [air.engines.kafka, f"{node.url}/schema-registry", node.token, topic(air, "trips"), "avro"]
    subprocess.run([*client, *given], capture_output=True, check=True, timeout=60)
    lag, offset = described(air.engines.kafka, "stock", topic(air, "trips"))
    assert offset == 1
    assert lag > 0


def test_kafka_consumer_groups_shows_groups_of_hansa_and_their_lag(air: Cluster) -> None:
    node, group, name = air.nodes[0], "shop.books:book<shop.till/sales@1", "shop-till-sales-v1"
    for product in ("till", "books"):
        node.deploy(PRODUCTS / product, f"shop.{product}")
    node.http.post("/triggers/shop.till:sell_on_time/0/pause").raise_for_status()
    for number in range(3):
        node.call("POST", "/shop/till/sync", {"id": f"before {number}"}).raise_for_status()
    until(lambda: len(seen(air.engines.kafka, name)) >= 3)
    assert until(lambda: standing(air, group, name) == 0)
    node.http.post("/triggers/shop.books:book/0/pause").raise_for_status()
    for number in range(5):
        node.call("POST", "/shop/till/sync", {"id": f"behind {number}"}).raise_for_status()
    assert until(lambda: standing(air, group, name) >= 5)
    first = next(r for r in seen(air.engines.kafka, name) if r.key == b"behind 0")
    assert described(air.engines.kafka, group, name)[1] == first.offset


def standing(air: Cluster, group: str, topic: str) -> int:
    """The lag of a group on a topic; -1 where it stands nowhere."""
    with contextlib.suppress(StopIteration, subprocess.CalledProcessError, ValueError):
        return described(air.engines.kafka, group, topic)[0]
    return -1


def described(kafka: str, group: str, topic: str) -> tuple[int, int]:
    """(lag, committed offset) that kafka-consumer-groups tells of a group on a topic's first partition."""
    main = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    command = [
        str(install.java()),
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "-cp",
        f"{install.kafka()}/*",
        main,
        "--bootstrap-server",
        kafka,
    ]
    done = subprocess.run(
        [*command, "--describe", "--group", group], capture_output=True, text=True, check=True, timeout=60
    )
    row = next(line.split() for line in done.stdout.splitlines() if f" {topic} " in line)
    place = row.index(topic)
    return int(row[place + 4]), int(row[place + 2])
