"""Records in batches: from a stream through a process of two logics and an aggregator into another stream.

A product fills the input first. Then the product under test is deployed and follows it from the beginning, in a worker
under full isolation; each batch is a run with its commit, its history and its lineage. The rate is the log's own: from
the first batch of the output to the last, the records of the first not counted. Every record of the output is checked.

The limit in the same run is a plain loop: the same functions on the same records in one process, decoded from msgpack
and encoded again, with no contract, log or isolation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from benchmarks.environment import Say
from benchmarks.processes import Watch
from benchmarks.subject import PRODUCTS, Subject, data_folder, until

RECORDS = 500_000
INPUT, OUTPUT = "bench.readings/readings@1", "bench.grades/grades@1"
TIMEOUT_S = 120.0
FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Commits(NamedTuple):
    """What the log says of a topic: its batches of records as (time in µs, records)."""

    batches: list[tuple[int, int]]

    @property
    def records(self) -> int:
        return sum(count for _, count in self.batches)

    @property
    def per_s(self) -> float:
        """Records per second from the first commit to the last."""
        (began_us, first), (ended_us, _) = self.batches[0], self.batches[-1]
        return (self.records - first) / (ended_us - began_us) * 1e6


def measure(say: Say, records: int = RECORDS) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where a record is wrong or missing."""
    with data_folder() as data:
        subject = Subject(data)
        try:
            say(f"records: making {records:,} readings")
            subject.deploy(PRODUCTS / "readings", "bench.readings")
            subject.post("/bench/readings/fill", {"records": records})
            until(lambda: subject.records_in(INPUT) == records, TIMEOUT_S, "making the readings")
            say("records: grading them")
            watch = Watch(subject.pid)
            with watch.watching():
                before = dict(watch.spent_s)
                subject.deploy(PRODUCTS / "grades", "bench.grades")
                until(lambda: subject.records_in(OUTPUT) == records, TIMEOUT_S, "grading the readings")
            spent_s = {pid: spent - before.get(pid, 0.0) for pid, spent in watch.spent_s.items()}
        finally:
            subject.stop()
        found = _checked(data, records)
    server_s = spent_s.pop(subject.pid)
    workers_s = sum(spent_s.values())
    loop_per_s = plain_loop(records)
    return {
        "records": records,
        "records_per_s": found.per_s,
        "loop_records_per_s": loop_per_s,
        "ratio_to_loop": found.per_s / loop_per_s,
        "server_us_per_record": server_s / records * 1e6,
        "workers_us_per_record": workers_s / records * 1e6,
        "records_per_cpu_s": records / (server_s + workers_s),
        "peak_pss_mib": watch.peak_bytes / 2**20,
    }


def _checked(data: Path, records: int) -> Commits:
    """Reads the whole output from the log and compares each record with what it must be."""
    from hansa.eventlog.interface import split
    from hansa.eventlog.sqlite import SqliteLog

    log = SqliteLog(data)
    batches: list[tuple[int, int]] = []
    position = 0
    try:
        while chunks := log.read(OUTPUT, 0, position):
            for chunk in chunks:
                for number, (key, body) in enumerate(split(chunk.entries, chunk.count), chunk.base):
                    check(number, key, msgspec.msgpack.decode(body))
                batches.append((chunk.time_us, chunk.count))
            position = chunks[-1].end
    finally:
        log.stop()
    if position != records:
        raise ValueError(f"{position} records came out instead of {records}")
    return Commits(batches)


def check(number: int, key: str | None, record: Any) -> None:
    """Raises `ValueError` where `record` is not what the reading of that number becomes."""
    celsius, humidity = (number * 7919 % 140 - 52) / 1.8, number * 31 % 101
    expected = {
        "reading_id": f"r{number:07}",
        "sensor": f"sensor-{number % 500:03}",
        "taken_at": FIRST_AT + timedelta(seconds=number),
        "temperature_c": round(celsius, 1),
        "grade": "dry" if humidity < 30 else "fair" if humidity <= 60 else "damp",
    }
    if key != expected["reading_id"] or record != expected:
        raise ValueError(f"record {number} is {key!r}, {record!r} instead of {expected!r}")


class _In(msgspec.Struct, frozen=True, gc=False):
    reading_id: str
    sensor: str
    taken_at: datetime
    temperature_f: int
    humidity_percent: int


class _Out(msgspec.Struct, frozen=True, gc=False):
    reading_id: str
    sensor: str
    taken_at: datetime
    temperature_c: float
    grade: str


def _celsius(reading: _In) -> tuple[_In, float]:
    return reading, round((reading.temperature_f - 32) * 5 / 9, 1)


def _graded(measured: tuple[_In, float]) -> _Out:
    reading, celsius = measured
    humidity = reading.humidity_percent
    grade = "dry" if humidity < 30 else "damp" if humidity > 60 else "fair"
    return _Out(reading.reading_id, reading.sensor, reading.taken_at, celsius, grade)


def _readings(records: int) -> Iterator[_In]:
    for number in range(records):
        at = FIRST_AT + timedelta(seconds=number)
        fahrenheit, humidity = number * 7919 % 140 - 20, number * 31 % 101
        yield _In(f"r{number:07}", f"sensor-{number % 500:03}", at, fahrenheit, humidity)


def plain_loop(records: int, batch: int = 1000) -> float:
    """Records per second of the same functions in a loop: decode a batch, work each record, encode the batch."""
    made = list(_readings(min(records, 100_000)))
    batches = [msgspec.msgpack.encode(made[at : at + batch]) for at in range(0, len(made), batch)]
    decoder, encoder = msgspec.msgpack.Decoder(list[_In]), msgspec.msgpack.Encoder()
    began = perf_counter()
    worked = 0
    for data in batches:
        out = [_graded(_celsius(reading)) for reading in decoder.decode(data)]
        worked += len(encoder.encode(out)) > 0 and len(out)
    return worked / (perf_counter() - began)
