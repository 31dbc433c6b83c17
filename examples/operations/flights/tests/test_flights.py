"""The departures of the source keep their contract, and no two share an id."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from hansa.testing.fake import FakeContext

from ..data import Row
from ..ports import departures
from ..product import CHUNK_ROWS, flight_id, read_flights, to_departure

ROW = {
    "year": "2013",
    "month": "1",
    "day": "1",
    "dep_time": "2353",
    "sched_dep_time": "2359",
    "dep_delay": "-6",
    "arr_delay": "-12",
    "carrier": "B6",
    "flight": "739",
    "tailnum": "N589JB",
    "origin": "JFK",
    "dest": "PSE",
    "air_time": "195",
    "distance": "1617",
    "hour": "23",
    "minute": "59",
    "time_hour": "2013-01-02T04:00:00Z",
}


def all_rows() -> Iterator[Row]:
    return (row for chunk in read_flights(ctx=FakeContext()) for row in chunk.records)


def test_the_id_has_the_local_date() -> None:
    assert flight_id(ROW) == "B6739-JFK-2013-01-01"


def test_a_row_becomes_a_departure_in_utc() -> None:
    departure = to_departure(ROW)
    assert departure.scheduled_at == datetime(2013, 1, 2, 4, 59, tzinfo=UTC)
    assert departure.hour_at == datetime(2013, 1, 2, 4, tzinfo=UTC)
    assert (departure.delay_min, departure.arrival_delay_min) == (-6, -12)


def test_a_cancelled_flight_has_no_delay() -> None:
    departure = to_departure(ROW | {"tailnum": "NA", "dep_delay": "NA", "arr_delay": "NA", "air_time": "NA"})
    assert (departure.tail_number, departure.delay_min, departure.air_time_min) == (None, None, None)
    assert departures.validate([departure]) == []


def test_the_first_departures_keep_the_contract() -> None:
    assert departures.validate(map(to_departure, islice(all_rows(), CHUNK_ROWS))) == []


def test_no_two_departures_share_an_id() -> None:
    ids = [flight_id(row) for row in all_rows()]
    assert len(ids) == 336_776
    assert len(ids) - len(set(ids)) == 0


def test_a_load_resumes_behind_what_was_committed() -> None:
    whole = islice(read_flights(ctx=FakeContext()), 3)
    resumed = read_flights(ctx=FakeContext(position=2 * CHUNK_ROWS))
    assert list(whole)[-1] == next(resumed)
