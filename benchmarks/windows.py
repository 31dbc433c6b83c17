"""Translating between two versions of a port, as a worker does it for every record that is published in a window.

Departures of the example mesh in two majors, the second with delays in seconds. Each figure is one core's: records
translated down, checked against the other contract, compared by their keys and encoded for the log. The limit in the
same run is encoding and checking them once, as without a window. Every record is translated back and compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.environment import Say

BATCH = 1_000
RECORDS, MAPPED = 200_000, 10_000
FLIGHTS = Path(__file__).parent.parent / "examples" / "operations" / "flights"
DELAYS = ("delay_min", "delay_s")


def measure(say: Say, records: int = RECORDS, mapped: int = MAPPED) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where a record does not come back as it was."""
    say(f"windows: translating {records:,} departures in Python and {mapped:,} in JSONata")
    versions = Versions()
    pairs = versions.departures(BATCH)
    bare = _rate(records, pairs, lambda: versions.encoder.encode([record for _, record in pairs]))
    python = _rate(records, pairs, lambda: _translated(versions.python, pairs))
    jsonata = _rate(mapped, pairs, lambda: _translated(versions.jsonata, pairs))
    for translation in (versions.python, versions.jsonata):
        versions.check(pairs, translation)
    return {
        "python_records_per_s": python,
        "jsonata_records_per_s": jsonata,
        "plain_records_per_s": bare,
        "ratio_to_plain": python / bare,
    }


class Versions:
    """Departures in minutes (@1) and in seconds (@2), and what translates down."""

    def __init__(self) -> None:
        from hansa.contracts.check import Validator
        from hansa.contracts.mapping import record_mapping
        from hansa.contracts.odps import read_product
        from hansa.runtime.translation import Translation

        (older,) = read_product(FLIGHTS).outputs
        renamed = {DELAYS[0]: DELAYS[1]}
        fields = tuple(dataclasses.replace(f, name=renamed.get(f.name, f.name)) for f in older.contract.fields)
        contract = dataclasses.replace(older.contract, fields=fields)
        newer = dataclasses.replace(older, id=older.id.replace("@1", "@2"), contract=contract)
        self.old, self.new = Validator(older).record, Validator(newer).record
        self.names = [field.name for field in older.contract.fields]
        self.encoder = Validator(newer).encoder
        names = ", ".join(f'"{name}": {name}' for name in self.names if name != DELAYS[0])
        down = f'{{{names}, "{DELAYS[0]}": delay_s = null ? null : $floor(delay_s / 60)}}'
        self.python = Translation(newer, older, self._down(), self.new)
        self.jsonata = Translation(newer, older, record_mapping(down), self.new)

    def _down(self) -> Callable[[Any], Any]:
        made = self.old

        def to_minutes(departure: Any) -> Any:
            return made(
                flight_id=departure.flight_id, carrier=departure.carrier, flight_number=departure.flight_number,
                origin=departure.origin, destination=departure.destination, scheduled_at=departure.scheduled_at,
                hour_at=departure.hour_at, distance_mi=departure.distance_mi, tail_number=departure.tail_number,
                delay_min=None if departure.delay_s is None else departure.delay_s // 60,
                arrival_delay_min=departure.arrival_delay_min, air_time_min=departure.air_time_min,
            )  # fmt: skip

        return to_minutes

    def departures(self, count: int) -> list[tuple[str | None, Any]]:
        first = datetime(2013, 1, 1, tzinfo=UTC)
        made = (
            self.new(
                flight_id=f"UA{n}-JFK-2013-01-01", carrier="UA", flight_number=n, origin="JFK", destination="LAX",
                scheduled_at=first + timedelta(minutes=n), hour_at=first, distance_mi=2475, tail_number="N14228",
                delay_s=n * 60 if n % 7 else None, arrival_delay_min=n, air_time_min=300,
            )
            for n in range(1, count + 1)
        )  # fmt: skip
        return [(record.flight_id, record) for record in made]

    def check(self, pairs: list[tuple[str | None, Any]], translation: Any) -> None:
        """Raises `ValueError` where a departure in minutes is not the one in seconds."""
        found = translation.of(pairs)
        same = [name for name in self.names if name != DELAYS[0]]
        for (_, new), (_, old) in zip(pairs, found.pairs, strict=True):
            minutes = None if new.delay_s is None else new.delay_s // 60
            if old is None or old.delay_min != minutes or any(getattr(old, n) != getattr(new, n) for n in same):
                raise ValueError(f"{new.flight_id} was translated wrongly")


def _translated(translation: Any, pairs: list[tuple[str | None, Any]]) -> None:
    translation.effects(translation.of(pairs).pairs)


def _rate(records: int, pairs: list[tuple[str | None, Any]], work: Callable[[], object]) -> float:
    """Records per second of processor time."""
    work()
    began = process_time()
    for _ in range(records // len(pairs)):
        work()
    return records / (process_time() - began)
