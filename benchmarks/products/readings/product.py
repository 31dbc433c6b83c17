"""Readings of sensors, made up by a formula."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from hansa import Chunk, DataProduct, http, publish_to

from .ports import Reading, readings

CHUNK_RECORDS = 10_000
FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)

product = DataProduct(__file__)


class Fill(TypedDict):
    records: int


@product.logic
def make(fill: Fill) -> Iterator[Chunk[int]]:
    for start in range(0, fill["records"], CHUNK_RECORDS):
        end = min(start + CHUNK_RECORDS, fill["records"])
        yield Chunk(range(start, end), end)


@product.logic
def to_reading(number: int) -> Reading:
    return Reading(
        reading_id=f"r{number:07}",
        sensor=f"sensor-{number % 500:03}",
        taken_at=FIRST_AT + timedelta(seconds=number),
        temperature_f=number * 7919 % 140 - 20,
        humidity_percent=number * 31 % 101,
    )


product.process("fill", make, to_reading, publish_to(readings), on=http.post("/fill"))
