"""Owners of a log in Kafka are killed and stopped: nothing is lost, nothing done twice, nobody replaced writes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.acceptance.kafka_owners import judge, ordeal

from hansa.eventlog.interface import Committed, Outcome
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_client import Record, Transactions
from hansa.eventlog.kafka_facts import written
from hansa.testing.log_bench import Bench, bodies, writing


def test_a_run_is_done_once_whatever_becomes_of_the_owner(kafka_address: str) -> None:
    """Two owners killed, one stopped for longer than its session; `kafka_owners.py 200` does it at length."""
    cluster, tally = asyncio.run(ordeal(kafka_address, 3))
    judge(cluster, tally)
    assert len(tally.failovers_s) == 3
    assert max(tally.failovers_s) < 10


def test_an_owner_that_was_replaced_writes_nothing(kafka_address: str) -> None:
    settings, name = {"bootstrap.servers": kafka_address, "log_level": 2}, uuid.uuid4().hex
    bench = Bench(lambda clock_us: KafkaLog(settings, name, clock_us=clock_us))
    bench.write(writing("first"))
    former, bench.log = bench.log, KafkaLog(settings, name)
    told: list[tuple[Any, Outcome]] = []
    former.submit(writing("stale"), "stale")
    former.stop()
    bench.log.start(told.extend)
    bench.log.submit(writing("second"), "second")
    bench.log.stop()
    assert [ticket for ticket, outcome in told if isinstance(outcome, Committed)] == ["second"]
    assert former.failure() == "another Hansa owns it since, or this one stood still for too long"
    reader = KafkaLog(settings, name)
    assert bodies(reader) == ["first", "second"]
    reader.stop()


def test_what_an_owner_did_not_commit_is_not_taken_over(kafka_address: str) -> None:
    settings, name = {"bootstrap.servers": kafka_address, "log_level": 2}, uuid.uuid4().hex
    KafkaLog(settings, name).stop()
    with pytest.raises(KeyboardInterrupt):
        given_up(Transactions(settings, name), Record(f"{name}._facts", 0, *written((("state", "s", "k"), b"v"))))
    log = KafkaLog(settings, name)
    assert log.get("s", "k") is None
    log.stop()


def test_facts_name_where_records_stand_though_that_is_elsewhere_than_expected(kafka_address: str) -> None:
    """The owner writes both at once, with the offsets that nobody else's record has taken."""
    settings, name = {"bootstrap.servers": kafka_address, "log_level": 2}, uuid.uuid4().hex
    bench = Bench(lambda clock_us: KafkaLog(settings, name, clock_us=clock_us))
    bench.write(writing("first"))
    bench.write(writing("second"))
    stranger = Producer(settings)
    stranger.produce(f"{name}.t", b"a stranger's", b"key", partition=0)
    assert stranger.flush(10) == 0
    bench.write(writing("third"))
    bench.write(writing("fourth"))
    bench.log.stop()
    reader = KafkaLog(settings, name)
    assert bodies(reader) == ["first", "second", "third", "fourth"]
    reader.stop()


def given_up(transactions: Transactions, record: Record) -> None:
    with transactions.transaction() as write:
        write([record])
        raise KeyboardInterrupt
