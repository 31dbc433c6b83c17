"""Where records will stand in Kafka."""

from __future__ import annotations

from hansa.eventlog.kafka_ahead import Ahead
from hansa.eventlog.kafka_client import Record


def records(*places: tuple[str, int]) -> list[Record]:
    return [Record(topic, partition, None, b"") for topic, partition in places]


def test_a_partition_is_known_from_its_first_transaction_on_whose_end_takes_an_offset() -> None:
    ahead = Ahead()
    assert ahead.offsets(records(("a", 0))) is None
    ahead.stand(records(("a", 0), ("a", 0), ("b", 1)), [5, 6, 40])
    assert ahead.offsets(records(("a", 0), ("b", 1), ("a", 0))) == [8, 42, 9]
    assert ahead.offsets(records(("a", 0), ("b", 0))) is None
    assert ahead.offsets([]) == []


def test_nothing_is_known_behind_what_came_otherwise() -> None:
    ahead = Ahead()
    ahead.stand(records(("a", 0)), [5])
    ahead.forget()
    assert ahead.offsets(records(("a", 0))) is None
