"""A departure gets the weather of its hour: at once where it is known, else when it has come."""

from datetime import UTC, datetime

import pytest

from hansa import TriggerInfo
from hansa.testing.fake import FakeContext

from ..ports import Departure, DepartureWeather, Hourly, departure_weather, hourly
from ..product import HOURS_PER_RUN, add_weather, catch_up, remember

HOUR = datetime(2013, 1, 1, 10, tzinfo=UTC)
DEPARTURE = Departure("UA1545-EWR-2013-01-01", "UA", 1545, "EWR", "IAH", HOUR, HOUR, 1400, delay_min=2)
WEATHER = Hourly("EWR", HOUR, 0.0, 10.0, temp_f=39.02, wind_speed_mph=12.66)
MISSING = DepartureWeather("UA1545-EWR-2013-01-01", "UA", "EWR", HOUR, "missing", delay_min=2)
KNOWN = DepartureWeather("UA1545-EWR-2013-01-01", "UA", "EWR", HOUR, "known", 2, 39.02, 12.66, 0.0, 10.0)
LATE = DepartureWeather("UA1545-EWR-2013-01-01", "UA", "EWR", HOUR, "late", 2, 39.02, 12.66, 0.0, 10.0)

SCHEDULE = TriggerInfo("schedule")


def test_a_departure_has_the_weather_of_its_hour() -> None:
    assert add_weather(DEPARTURE, ctx=FakeContext(lookups={hourly: [WEATHER]})) == KNOWN


def test_a_departure_of_an_hour_without_weather_is_published_without() -> None:
    assert add_weather(DEPARTURE, ctx=FakeContext()) == MISSING


@pytest.mark.parametrize("record", [MISSING, KNOWN, LATE])
def test_what_is_published_keeps_the_contract(record: DepartureWeather) -> None:
    assert departure_weather.validate([record]) == []


def test_weather_that_comes_late_corrects_all_that_waited_for_it_once() -> None:
    ctx = FakeContext(trigger=SCHEDULE, lookups={hourly: [WEATHER]})
    remember([MISSING], ctx=ctx)
    remember([MISSING], ctx=ctx)
    assert catch_up(ctx=ctx) == [LATE, LATE]
    assert catch_up(ctx=ctx) == []


def test_departures_wait_as_long_as_there_is_no_weather() -> None:
    ctx = FakeContext(trigger=SCHEDULE)
    remember([MISSING], ctx=ctx)
    assert catch_up(ctx=ctx) == []
    assert len(list(ctx.state.keys())) == 1


def test_a_batch_of_departures_is_only_remembered() -> None:
    ctx = FakeContext(trigger=TriggerInfo("port"), lookups={hourly: [WEATHER]})
    remember([MISSING], ctx=ctx)
    assert catch_up(ctx=ctx) == []


def test_a_run_corrects_a_limited_number_of_hours() -> None:
    hours = [datetime.fromtimestamp(HOUR.timestamp() + 3600 * n, UTC) for n in range(HOURS_PER_RUN + 1)]
    late = [Hourly("EWR", hour, 0.0, 10.0) for hour in hours]
    ctx = FakeContext(trigger=SCHEDULE, lookups={hourly: late})
    remember([DepartureWeather(f"UA{n}", "UA", "EWR", hour, "missing") for n, hour in enumerate(hours)], ctx=ctx)
    assert len(catch_up(ctx=ctx)) == HOURS_PER_RUN
    assert len(catch_up(ctx=ctx)) == 1
