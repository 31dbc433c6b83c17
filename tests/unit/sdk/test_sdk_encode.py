"""Records on their way into the log: keys, partitions, subjects, and refusals that can be pickled."""

import pickle
from typing import Annotated
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa import ContractViolation, Meta, OutputPort, Record
from hansa.eventlog.interface import split


class Reading(Record, frozen=True):
    station: str
    hour: int
    person: str | None = None
    value: Annotated[float, Meta(ge=0)] | None = None


def port(
    key: tuple[str, ...] = ("station",), *, partitions: int = 1, subject: str | None = None
) -> OutputPort[Reading]:
    return OutputPort("weather.hours/hourly@1", Reading, key=key, partitions=partitions, subject=subject)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65535, 65536])
def test_entries_stand_one_behind_the_other_for_any_count(count: int) -> None:
    records = [Reading("JFK", hour) for hour in range(count)]
    encoded = port().encode(records)
    assert sum(part.count for part in encoded) == count
    entries = [entry for part in encoded for entry in split(part.entries, part.count)]
    assert [(key, msgspec.msgpack.decode(body, type=Reading)) for key, body in entries] == [("JFK", r) for r in records]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ((), None),
        (("station",), "JFK"),
        (("hour",), "[7]"),
        (("station", "hour"), '["JFK",7]'),
        (("person",), "[null]"),
    ],
)
def test_the_key_is_a_single_text_or_json(key: tuple[str, ...], expected: str | None) -> None:
    [part] = port(key).encode([Reading("JFK", 7)])
    assert split(part.entries, part.count)[0][0] == expected


@given(
    st.lists(st.tuples(st.sampled_from("ABCDEFG"), st.sampled_from([None, "ada", "bob"])), max_size=40),
    st.integers(2, 5),
)
def test_each_partition_has_its_keys_in_order(rows: list[tuple[str, str | None]], partitions: int) -> None:
    records = [Reading(station, hour, person) for hour, (station, person) in enumerate(rows)]
    parts = port(partitions=partitions, subject="person").encode(records)
    seen: dict[int, list[Reading]] = {}
    for part in parts:
        for key, body in split(part.entries, part.count):
            record = msgspec.msgpack.decode(body, type=Reading)
            assert (record.station, record.person) == (key, part.subject)
            seen.setdefault(part.partition, []).append(record)
    for partition, found in seen.items():
        assert found == [r for r in records if crc32(r.station.encode()) % partitions == partition]
    assert sum(map(len, seen.values())) == len(records)


def test_one_bad_record_refuses_the_batch_and_is_named() -> None:
    with pytest.raises(ContractViolation, match=r"Record 1 .* at value: Expected `float` >= 0") as refused:
        port().encode([Reading("JFK", 1), Reading("JFK", 2, value=-1.0), Reading("JFK", 3)])
    copy = pickle.loads(pickle.dumps(refused.value))
    assert copy.details == refused.value.details == {
        "port": "weather.hours/hourly@1", "count": 1,
        "errors": [
            {"index": 1, "path": "value", "code": "field.range", "message": "Expected `float` >= 0.0", "value": "-1.0",
             "rule": ""}
        ],
    }  # fmt: skip


def test_a_record_of_another_class_is_taken_for_what_it_holds() -> None:
    class Other(Record, frozen=True):
        station: str

    class Same(Record, frozen=True):
        station: str
        hour: int

    with pytest.raises(ContractViolation) as refused:
        port().encode([Other("JFK"), 7])  # type: ignore[list-item]
    assert [(v.path, v.code) for v in refused.value.violations] == [("hour", "field.missing"), ("", "record.type")]
    assert port().encode([Same("JFK", 1)]) == port().encode([Reading("JFK", 1)])  # type: ignore[list-item]


def test_details_hold_a_thousand_errors_and_the_count_of_all() -> None:
    with pytest.raises(ContractViolation) as refused:
        port().encode([Reading("JFK", hour, value=-1) for hour in range(1500)])
    assert (len(refused.value.details["errors"]), refused.value.details["count"]) == (1000, 1500)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Reading("JFK", 1).hour = 2  # type: ignore[misc]
