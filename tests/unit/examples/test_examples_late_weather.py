"""Weather that comes late, through both products that it concerns: the flight is joined again and counted once."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hansa.sdk.load import load_product
from hansa.testing import InlineHansa

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FOLDER_OF = runpy.run_path(str(EXAMPLES / "mesh.py"))["folder_of"]
JOINED = "analytics.departure_weather/departure_weather@1"
ROW = {
    "carrier": "UA", "flight": "1545", "origin": "EWR", "dest": "IAH", "year": "2013", "month": "1", "day": "1",
    "minute": "15", "time_hour": "2013-01-01T10:00:00Z", "distance": "1400", "tailnum": "N14228", "dep_delay": "2",
    "arr_delay": "11", "air_time": "227",
}  # fmt: skip
HOUR = {"origin": "EWR", "hour_at": "2013-01-01T10:00:00Z", "temp_f": 39.0, "precipitation_in": 0, "visibility_mi": 10}


@pytest.fixture
def mesh() -> InlineHansa:
    """The products from the flights to the outlook, with one flight and no weather."""
    hansa = InlineHansa()
    for product in ("weather.stations", "operations.flights", "analytics.departure_weather", "analytics.outlook"):
        hansa.load(FOLDER_OF(product))
    hansa.feed("operations.flights/departures@1", [departure_of(ROW)])
    return hansa


def departure_of(row: dict[str, str]) -> Any:
    """The record that `operations.flights` makes of a row."""
    product = load_product(FOLDER_OF("operations.flights"), "flights_of_late_weather")
    return product.logics["to_departure"](row)


def bands(hansa: InlineHansa) -> dict[str, int]:
    """The flights in each band of the outlook."""
    outlook = hansa.call("GET /analytics/outlook/airports/EWR")
    return {band["band"]: band["flights"] for band in outlook["bands"]}


def correct(hansa: InlineHansa) -> Any:
    return hansa.call("analytics.departure_weather:correct", [])


def test_without_weather_a_flight_waits(mesh: InlineHansa) -> None:
    assert correct(mesh) == {"published": 0}
    assert [record["weather"] for record in mesh.read(JOINED)] == ["missing"]
    assert bands(mesh) == {"unknown": 1}


def test_with_the_weather_it_is_published_again_and_counted_once(mesh: InlineHansa) -> None:
    mesh.call("POST /weather/stations/hours", [HOUR])
    assert correct(mesh) == {"published": 1}
    assert [(record["weather"], record["temp_f"]) for record in mesh.read(JOINED)] == [
        ("missing", None),
        ("late", 39.0),
    ]
    assert bands(mesh) == {"cold": 1}
    assert correct(mesh) == {"published": 0}


def test_weather_that_was_there_before_is_known_at_once(mesh: InlineHansa) -> None:
    next_day = "2013-01-02T10:00:00Z"
    mesh.call("POST /weather/stations/hours", [HOUR | {"hour_at": next_day}])
    mesh.feed("operations.flights/departures@1", [departure_of(ROW | {"day": "2", "time_hour": next_day})])
    newest = mesh.read(JOINED)[-1]
    assert (newest["weather"], newest["hour_at"]) == ("known", datetime(2013, 1, 2, 10, tzinfo=UTC))
    assert bands(mesh) == {"unknown": 1, "cold": 1}
