"""The figures of an outlook, how departures enter it, and what is answered and published."""

import statistics
from datetime import UTC, date, datetime
from typing import Literal

import pytest

from hansa import Problem
from hansa.testing.fake import FakeContext

from ..ports import DailyOutlook, DepartureWeather, Outlook, OutlookBand, daily_outlook, outlooks
from ..product import count, find, take
from ..tally import Tally, band_of, total

NOW = datetime(2013, 2, 3, 4, 5, tzinfo=UTC)
Weather = Literal["known", "missing", "late"]


def departure(
    delay_min: int | None, temp_f: float | None = 40.0, weather: Weather = "known", origin: str = "JFK"
) -> DepartureWeather:
    return DepartureWeather("UA1", "UA", origin, NOW, weather, delay_min, temp_f)


def outlook(ctx: FakeContext, *records: DepartureWeather) -> Outlook:
    [found] = count(list(records), ctx=ctx)
    return found


@pytest.mark.parametrize("delays", [[5], [5, -3], [16, 15, 5, -3, 5, 120], [0, 0, 0, 1]])
def test_figures_are_those_of_the_single_flights(delays: list[int]) -> None:
    tally = Tally()
    for delay in delays:
        tally.add(delay)
    assert tally.mean_delay_min == pytest.approx(statistics.fmean(delays))
    assert tally.median_delay_min == statistics.median(delays)
    assert tally.late_share == pytest.approx(sum(delay > 15 for delay in delays) / len(delays))


def test_a_tally_without_departures_has_no_figures() -> None:
    tally = Tally()
    tally.add(None)
    assert (tally.flights, tally.cancelled, tally.mean_delay_min, tally.median_delay_min) == (1, 1, None, None)


def test_a_flight_that_is_taken_back_leaves_nothing() -> None:
    tally = Tally({5: 1}, 1)
    tally.add(5, -1)
    tally.add(None, -1)
    assert tally == Tally()


def test_tallies_add_up() -> None:
    assert total([Tally({5: 1, 6: 1}, 1), Tally({5: 2})]) == Tally({5: 3, 6: 1}, 1)


@pytest.mark.parametrize(
    ("temp_f", "band"), [(31.9, "freezing"), (32.0, "cold"), (50.0, "mild"), (86.0, "hot"), (None, "unknown")]
)
def test_a_temperature_has_a_band(temp_f: float | None, band: str) -> None:
    assert band_of(temp_f) == band


def test_flights_are_counted_over_batches() -> None:
    ctx = FakeContext(now=NOW)
    outlook(ctx, departure(10), departure(30, temp_f=20.0))
    found = outlook(ctx, departure(None))
    assert (found.origin, found.as_of, found.flights, found.cancelled) == ("JFK", NOW, 3, 1)
    assert (found.mean_delay_min, found.median_delay_min, found.late_share) == (20, 20, 0.5)
    assert found.bands == [OutlookBand("freezing", 1, 0, 30, 30, 1), OutlookBand("cold", 2, 1, 10, 10, 0)]
    assert outlooks.validate([found]) == []


def test_each_airport_has_an_outlook_of_its_own() -> None:
    found = count([departure(1), departure(2, origin="LGA")], ctx=FakeContext())
    assert [(o.origin, o.mean_delay_min) for o in found] == [("JFK", 1), ("LGA", 2)]


def test_weather_that_came_late_moves_a_flight_and_counts_it_once() -> None:
    ctx = FakeContext()
    before = outlook(ctx, departure(10, None, "missing"))
    after = outlook(ctx, departure(10, 90.0, "late"))
    assert [band.band for band in before.bands] == ["unknown"]
    assert [band.band for band in after.bands] == ["hot"]
    assert (before.flights, after.flights) == (1, 1)


STANDING = Outlook("JFK", NOW, 3, 1, [], 20.0, 20.0, 0.5)


def test_an_airport_is_found_in_any_case() -> None:
    assert find(origin="jfk", ctx=FakeContext(lookups={outlooks: [STANDING]})) == STANDING


def test_an_unknown_airport_is_a_problem() -> None:
    with pytest.raises(Problem) as raised:
        find(origin="XYZ", ctx=FakeContext())
    assert (raised.value.status, raised.value.code) == (404, "outlook.unknown")


def test_outlooks_are_published_with_an_event_each() -> None:
    ctx = FakeContext(lookups={outlooks: [STANDING]}, now=NOW)
    taken = take(airports=("JFK", "LGA"), ctx=ctx)
    assert taken == [DailyOutlook("JFK", date(2013, 2, 3), NOW, 3, 20.0, 0.5)]
    assert daily_outlook.validate(taken) == []
    assert [(event["name"], event["source"]) for event in ctx.emitted] == [("outlook.published", "airport JFK")]
