"""The engines under several nodes die, stand still and come back: what cannot be durable is refused with a reason,
what can be read is read, everything goes on by itself, and nothing is lost or there twice."""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from engines.kafka import Kafka
from engines.postgresql import PostgreSQL
from engines.process import Process, removed, scratch
from engines.s3 import SeaweedFS
from ledger import Ledger, selling, sells_on
from nodes import Cluster, Engines, nodes
from server import Server
from test_nodes import assert_well_closed, bring_to_rest, open_shop
from test_topics import sales

from hansa.eventlog.committer import Notice
from hansa.eventlog.interface import Append, CommitSet, Committed, Outcome, TopicConfig, encode_entry
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_client import Record, Transactions, committed
from hansa.eventlog.kafka_topics import Topics

PRODUCTS = Path(__file__).parent / "products"
AWAY_S = 3.0
REFUSED_S = 14.0
"""So long may it take until a caller is told that the broker does not answer; a call waits 15 s."""


@pytest.fixture(scope="module")
def own(kafka_address: str, postgresql_address: str, s3_address: str) -> Iterator[tuple[Process, Process, Process]]:
    """Engines of this module's own, to be killed. (The shared ones say whether any can run here.)"""
    del kafka_address, postgresql_address, s3_address
    with contextlib.ExitStack() as ended:
        started = []
        for name, kind in (("kafka", Kafka), ("postgresql", PostgreSQL), ("s3", SeaweedFS)):
            folder = scratch(name)
            ended.callback(removed, folder)
            engine = kind(folder)
            ended.callback(engine.stop)
            engine.start()
            started.append(engine)
        yield started[0], started[1], started[2]


@pytest.fixture
def pair(own: tuple[Process, Process, Process], tmp_path: Path) -> Iterator[Cluster]:
    kafka, postgresql, s3 = own
    with nodes(tmp_path, Engines(kafka.address, postgresql.address, s3.address)) as cluster:
        open_shop(cluster)
        yield cluster


def sells(node: Server, name: str) -> bool:
    """Whether a call is answered with a success."""
    return node.call("POST", "/shop/till/sync", {"id": name}, headers={"idempotency-key": name}).status_code == 200


def test_without_the_broker_writing_is_refused_with_a_reason_and_goes_on_by_itself(
    own: tuple[Process, Process, Process], pair: Cluster
) -> None:
    kafka = own[0]
    assert all(sells(node, f"before {number}") for number, node in enumerate(pair.nodes))
    kafka.kill()
    for number, node in enumerate(pair.nodes):
        asked_s = time.monotonic()
        refused = node.call("POST", "/shop/till/sync", {"id": f"meanwhile {number}"})
        assert refused.status_code == 503, refused.text
        assert time.monotonic() - asked_s < REFUSED_S
        assert refused.headers["retry-after"]
        assert refused.json()["code"].startswith("log.")
        assert node.http.get("/products/shop.till").status_code == 200
        assert node.http.get("/runs?limit=1").status_code == 200
    kafka.start()
    for number, node in enumerate(pair.nodes):
        assert node.until(partial(sells, node, f"behind {number}"), 30)


def test_without_the_registry_calls_go_on_and_deploying_is_refused(
    own: tuple[Process, Process, Process], pair: Cluster
) -> None:
    postgresql = own[1]
    postgresql.kill()
    time.sleep(AWAY_S)
    for number, node in enumerate(pair.nodes):
        assert sells(node, f"without {number}")
        assert node.http.post("/domains", json={"name": "other"}).status_code == 503
    postgresql.start()
    first = pair.nodes[0]
    assert first.until(lambda: first.http.post("/domains", json={"name": "other"}).is_success, 30)
    assert all(sells(node, f"after {number}") for number, node in enumerate(pair.nodes))


def test_without_the_object_store_what_is_served_goes_on_and_deploying_is_refused(
    own: tuple[Process, Process, Process], pair: Cluster
) -> None:
    s3 = own[2]
    s3.kill()
    first = pair.nodes[0]
    assert sells(first, "no store")
    with pytest.raises(Exception, match="blob"):
        first.deploy(PRODUCTS / "lab", "lab.bench")
    s3.start()
    first.deploy(PRODUCTS / "lab", "lab.bench")


@pytest.mark.slow
def test_engines_that_die_under_load_lose_and_double_nothing(
    own: tuple[Process, Process, Process], pair: Cluster
) -> None:
    kafka, postgresql, s3 = own
    ledger = Ledger()
    attacks: list[Callable[[], None]] = [
        partial(_again, kafka), partial(_again, postgresql), partial(_away, kafka), partial(_away, postgresql),
        partial(_again, s3), partial(_paused, kafka), partial(_paused, postgresql),
    ]  # fmt: skip
    with selling(pair, ledger, 5):
        for attack in attacks:
            attack()
            assert sells_on(ledger, 20), attack
    bring_to_rest(pair)
    sales(pair)
    assert_well_closed(pair, ledger)


def _again(engine: Process) -> None:
    engine.kill()
    engine.start()


def _away(engine: Process) -> None:
    engine.kill()
    time.sleep(AWAY_S)
    engine.start()


def _paused(engine: Process) -> None:
    engine.pause()
    time.sleep(AWAY_S)
    engine.resume()


@pytest.mark.slow
def test_what_was_acknowledged_just_before_the_broker_was_killed_stands(own: tuple[Process, Process, Process]) -> None:
    """A broker answers that a transaction is committed before it writes the transaction's end, which a killed one may
    leave out for good."""
    kafka = own[0]
    settings, name = {"bootstrap.servers": kafka.address, "log_level": 2}, uuid.uuid4().hex
    outcomes: queue.Queue[tuple[Any, Outcome]] = queue.Queue()
    log = KafkaLog(settings, name)
    log.start(partial(each, outcomes.put))
    log.declare("t", TopicConfig())
    log.submit(CommitSet(appends=(Append("t", 0, 1, encode_entry(None, "x"), {}),)), 1)
    assert isinstance(outcomes.get(timeout=20)[1], Committed)
    kafka.kill()
    kafka.start()
    log.stop()
    following = KafkaLog(settings, name)
    assert following.bounds("t", 0) == (0, 1)
    following.stop()


@pytest.mark.slow
def test_nobody_says_that_nothing_was_written_when_the_broker_did_not_say_it(
    own: tuple[Process, Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is asked to commit, and stands still, does so when it goes on."""
    kafka = own[0]
    settings, topic = {"bootstrap.servers": kafka.address, "log_level": 2}, f"unknown-{uuid.uuid4().hex}"
    Topics(settings).ensure(topic, 1)
    transactions = Transactions(settings, topic)
    monkeypatch.setattr("hansa.eventlog.kafka_client.COMMIT_S", 2.0)
    with pytest.raises(KafkaException):
        _written(transactions, Record(topic, 0, b"k", b"v"), kafka.pause)
    kafka.resume()
    Transactions(settings, topic)
    assert [message.value() for message in committed(settings, topic, 0)] == [b"v"]


def _written(transactions: Transactions, record: Record, then: Callable[[], None]) -> None:
    with transactions.transaction() as write:
        write([record])
        then()


def each(told: Callable[[Any], None], notice: Notice) -> None:
    for one in notice:
        told(one)
