"""Topics of another system's Kafka as inputs: each message has its effect once, whatever befalls the server."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from made import write
from server import Server, running

CONNECTIONS = """
all:
  warehouse: {{type: kafka, url: 'kafka://{kafka}'}}
"""
CODE = """
from hansa import Context, DataProduct, Message, on, reply

product = DataProduct(__file__)


@product.logic
def take(order: dict[str, int], *, ctx: Context) -> None:
    ctx.emit("taken", source=str(order["n"]))
    ctx.state.put("count", ctx.state.get("count", 0) + 1)


@product.logic
def look(message: Message, *, ctx: Context) -> None:
    ctx.emit("seen", source=f"{message.key}", payload={
        "value": message.value, "offset": message.offset, "type": message.headers.get("ce_type", "")})


product.process("take", take, reply, on=on.kafka("orders-TAG", connection="warehouse", batch=50))
product.process("look", look, reply, on=on.kafka("events-TAG", connection="warehouse"))
"""
COUNT = 300


class Outside:
    """Another system's Kafka, with topics of its own."""

    def __init__(self, kafka: str) -> None:
        self.kafka, self.tag = kafka, uuid.uuid4().hex[:8]
        admin = AdminClient({"bootstrap.servers": kafka})
        for name, partitions in (("orders", 3), ("events", 1)):
            topic = self.topic(name)
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
        self._producer = Producer({"bootstrap.servers": kafka})

    def topic(self, name: str) -> str:
        return f"{name}-{self.tag}"

    def send(self, name: str, value: bytes, key: str = "", headers: dict[str, str] | None = None) -> None:
        self._producer.produce(self.topic(name), value, key, headers=headers or {})
        self._producer.flush()


@pytest.fixture(scope="module")
def outside(kafka_address: str) -> Outside:
    return Outside(kafka_address)


@pytest.fixture(scope="module")
def shop(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Hansa with a log of its own, whose product follows two topics of another system."""
    folder = tmp_path_factory.mktemp("shop")
    with running(folder / "data") as server:
        (folder / "data" / "connections.yaml").write_text(CONNECTIONS.format(kafka=outside.kafka))
        more = "customProperties:\n- property: connections\n  value: [warehouse]\n  vendor: hansa\n"
        product = write(folder / "orders", "shop.orders", CODE.replace("TAG", outside.tag), more=more)
        server.deploy(product, "shop.orders")
        yield server


def test_each_message_has_its_effect_once_whatever_befalls_the_server(shop: Server, outside: Outside) -> None:
    for number in range(COUNT):
        outside.send("orders", json.dumps({"n": number}).encode(), str(number))
        if number in (100, 200):
            time.sleep(0.2)
            shop.kill()
            shop.start()

    def taken() -> list[str]:
        sources = [event["source"] for event in shop.events("name=taken")]
        return [source for source in sources if int(source) < COUNT]

    assert shop.until(lambda: len(taken()) >= COUNT, 40)
    assert sorted(taken(), key=int) == [str(number) for number in range(COUNT)]


def test_a_message_that_is_not_what_it_should_be_is_a_dead_letter_and_the_others_go_on(
    shop: Server, outside: Outside
) -> None:
    outside.send("orders", b"{no json", "p")
    outside.send("orders", b'["another shape"]', "p")
    outside.send("orders", b'{"n": 9999}', "p")
    assert shop.until(lambda: shop.events('name=taken and source="9999"'))

    def dead() -> set[str]:
        runs = shop.runs(process="shop.orders:take", dead="true")
        return {shop.http.get(f"/runs/{run['id']}").json()["error"]["code"] for run in runs}

    assert shop.until(lambda: len(dead()) == 2)
    assert "kafka.undecodable" in dead()


def test_kcat_and_cloudevents_in_either_mode_are_taken(shop: Server, outside: Outside) -> None:
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("left out: kcat is not installed (apt install kcat)")
    send = [kcat, "-b", outside.kafka, "-P", "-t", outside.topic("events"), "-k", "by kcat", "-H", "ce_type=a.b.v1"]
    subprocess.run(send, input=b'{"x": 1}', check=True, timeout=20)
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "c.d.v1", "data": {"x": 2}}
    outside.send("events", json.dumps(event).encode(), "whole", {"content-type": "application/cloudevents+json"})
    assert shop.until(lambda: len(shop.events("name=seen")) == 2)
    found = {event["source"]: event["payload"] for event in shop.events("name=seen")}
    assert found["by kcat"] == {"value": {"x": 1}, "offset": 0, "type": "a.b.v1"}
    assert found["whole"] == {"value": {"x": 2}, "offset": 1, "type": "c.d.v1"}


def test_lineage_and_plan_tell_the_topic(shop: Server, outside: Outside) -> None:
    node = f"connection:shop.orders/warehouse/{outside.topic('orders')}"
    found = shop.http.get("/lineage", params={"node": "shop.orders:take"}).json()
    assert node in {edge["source"] for edge in found["edges"]}
