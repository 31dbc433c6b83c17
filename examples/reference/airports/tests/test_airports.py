"""All airports of the source keep their contract."""

from ..ports import Airport, airports
from ..product import read_airports, to_airport

ROW = {
    "faa": "JFK",
    "name": "John F Kennedy Intl",
    "lat": "40.639751",
    "lon": "-73.778925",
    "alt": "13",
    "tz": "-5",
    "dst": "A",
    "tzone": "America/New_York",
}


def test_a_row_becomes_an_airport() -> None:
    expected = Airport("JFK", "John F Kennedy Intl", 40.639751, -73.778925, 13, -5, "America/New_York")
    assert to_airport(ROW) == expected


def test_an_unknown_time_zone_is_none() -> None:
    assert to_airport(ROW | {"tzone": "NA"}).timezone is None


def test_every_airport_keeps_the_contract() -> None:
    found = read_airports()
    assert airports.validate(found) == []
    assert len({airport.code for airport in found}) == len(found) == 1458
