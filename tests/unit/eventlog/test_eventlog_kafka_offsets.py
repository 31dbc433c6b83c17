"""Where records will stand in Kafka."""

from __future__ import annotations

from hansa.eventlog.kafka_client import Record
from hansa.eventlog.kafka_offsets import Offsets


def records(*places: tuple[str, int]) -> list[Record]:
    return [Record(topic, partition, None, b"") for topic, partition in places]


def test_a_partition_is_known_from_its_first_transaction_on_whose_end_takes_an_offset() -> None:
    found = Offsets()
    assert found.expected(records(("a", 0))) is None
    found.stand(records(("a", 0), ("a", 0), ("b", 1)), [5, 6, 40])
    assert found.expected(records(("a", 0), ("b", 1), ("a", 0))) == [8, 42, 9]
    assert found.expected(records(("a", 0), ("b", 0))) is None
    assert found.expected([]) == []


def test_nothing_is_known_behind_what_came_otherwise() -> None:
    found = Offsets()
    found.stand(records(("a", 0)), [5])
    found.forget()
    assert found.expected(records(("a", 0))) is None
