"""When schedules fire: cron with its zone, intervals, the change of the clocks, and what is made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import AuthorError
from hansa.model.product import OnceTrigger, ScheduleTrigger
from hansa.triggers.schedule import CATCH_UP_MAX, LATE_MAX_US, check, due, explain, fired_last, next_times, same_times

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BERLIN = "Europe/Berlin"


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


def local(time_us: int, zone: str = BERLIN) -> str:
    return datetime.fromtimestamp(time_us / SECOND, ZoneInfo(zone)).isoformat(timespec="minutes")


def times(cron: str, after: str, count: int) -> list[str]:
    return [local(time) for time in next_times(ScheduleTrigger(cron=cron, timezone=BERLIN), us(after), count)]


def test_cron_is_read_in_its_time_zone() -> None:
    assert times("0 6 * * *", "2026-07-01T00:00:00+00:00", 2) == ["2026-07-01T06:00+02:00", "2026-07-02T06:00+02:00"]


def test_a_time_is_later_than_after_not_at_it() -> None:
    assert times("0 6 * * *", "2026-07-01T06:00:00+02:00", 1) == ["2026-07-02T06:00+02:00"]
    assert times("0 6 * * *", "2026-07-01T05:59:59.999999+02:00", 1) == ["2026-07-01T06:00+02:00"]


def test_a_time_that_the_clocks_leave_out_fires_at_the_end_of_the_gap() -> None:
    assert times("30 2 * * *", "2026-03-28T12:00:00+01:00", 2) == ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]


def test_a_time_that_comes_twice_fires_at_the_first() -> None:
    expected = ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]
    assert times("30 2 * * *", "2026-10-24T12:00:00+02:00", 2) == expected


@pytest.mark.parametrize("after", ["2026-10-25T02:15:00+01:00", "2026-10-25T02:30:00+01:00"])
def test_begun_inside_the_second_hour_nothing_of_the_first_comes_back(after: str) -> None:
    assert times("30 2 * * *", after, 1) == ["2026-10-26T02:30+01:00"]


def test_an_hourly_cron_goes_on_evenly_over_the_change() -> None:
    found = next_times(ScheduleTrigger(cron="0 * * * *", timezone=BERLIN), us("2026-10-25T00:30:00+02:00"), 5)
    assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


def test_an_interval_counts_from_the_epoch() -> None:
    assert next_times(ScheduleTrigger(every_s=300), us("2026-01-01T00:07:13+00:00"), 2) == [
        us("2026-01-01T00:10:00+00:00"),
        us("2026-01-01T00:15:00+00:00"),
    ]


def test_once_has_one_time() -> None:
    trigger = OnceTrigger(at="2026-12-24T18:00:00+01:00")
    at = us("2026-12-24T18:00:00+01:00")
    assert next_times(trigger, at - 1, 5) == [at]
    assert next_times(trigger, at, 5) == []
    assert next_times(OnceTrigger(), 0, 5) == []


@pytest.mark.parametrize(
    ("trigger", "code"),
    [
        (ScheduleTrigger(cron="61 * * * *"), "schedule.cron"),
        (ScheduleTrigger(cron="0 0 30 2 *"), "schedule.cron"),
        (ScheduleTrigger(cron="0 0 6 * * *"), "schedule.cron"),
        (ScheduleTrigger(cron="0 6 * * *", timezone="Europe/Hanse"), "schedule.timezone"),
        (ScheduleTrigger(cron="0 6 * * *", timezone="../etc"), "schedule.timezone"),
        (ScheduleTrigger(every_s=0), "schedule.interval"),
        (ScheduleTrigger(every_s=-5), "schedule.interval"),
        (ScheduleTrigger(), "schedule.interval"),
        (ScheduleTrigger(cron="0 6 * * *", every_s=5), "schedule.interval"),
        (OnceTrigger(at="tomorrow"), "once.time"),
        (OnceTrigger(at="2026-12-24T18:00:00"), "once.time"),
    ],
)
def test_what_cannot_fire_is_refused_with_a_hint(trigger: ScheduleTrigger | OnceTrigger, code: str) -> None:
    with pytest.raises(AuthorError) as refusal:
        check(trigger)
    assert refusal.value.code == code
    assert refusal.value.hint


def hourly(catch_up: str) -> ScheduleTrigger:
    return ScheduleTrigger(cron="0 * * * *", catch_up=catch_up)  # type: ignore[arg-type]


def test_after_downtime_none_fires_nothing_one_the_latest_all_each() -> None:
    last, now = us("2026-01-01T06:00:00+00:00"), us("2026-01-01T09:30:00+00:00")
    missed = [us(f"2026-01-01T0{hour}:00:00+00:00") for hour in (7, 8, 9)]
    assert due(hourly("none"), last, now) == []
    assert due(hourly("one"), last, now) == missed[-1:]
    assert due(hourly("all"), last, now) == missed
    assert due(hourly("none"), last, now, "all") == missed


def test_a_time_that_is_a_little_past_is_met() -> None:
    last, at = us("2026-01-01T06:00:00+00:00"), us("2026-01-01T07:00:00+00:00")
    assert due(hourly("none"), last, at + LATE_MAX_US) == [at]
    assert due(hourly("none"), last, at + LATE_MAX_US + 1) == []


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    now = us("2026-01-01T06:00:00+00:00")
    assert due(hourly("all"), now, now) == []
    assert due(hourly("all"), now + HOUR, now) == []


def test_a_schedule_that_never_began_has_missed_nothing() -> None:
    assert due(hourly("all"), None, us("2026-01-01T06:00:00+00:00")) == []


@pytest.mark.parametrize("trigger", [ScheduleTrigger(cron="* * * * *"), ScheduleTrigger(every_s=60)])
def test_all_is_bounded_to_the_latest(trigger: ScheduleTrigger) -> None:
    now = us("2026-01-01T00:00:00+00:00")
    found = due(trigger, now - 3650 * DAY, now, "all")
    assert found == [now - 60 * SECOND * back for back in reversed(range(CATCH_UP_MAX))]


def test_once_is_made_up_and_never_twice() -> None:
    trigger = OnceTrigger(at="2026-01-01T06:00:00Z")
    at = us("2026-01-01T06:00:00+00:00")
    assert due(trigger, at - DAY, at - 1) == []
    assert due(trigger, at - DAY, at + DAY) == [at]
    assert due(trigger, at, at + DAY) == []
    assert due(OnceTrigger(), None, at) == [at]
    assert due(OnceTrigger(), at, at + DAY) == []


@given(
    cron=st.sampled_from(["*/7 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 29 2 *", "0 12 * * MON#2", "5 4 L * *"]),
    begin=st.integers(us("2024-01-01T00:00:00+00:00"), us("2027-01-01T00:00:00+00:00")),
    hours=st.integers(1, 24 * 40),
)
def test_what_is_due_at_once_is_what_comes_one_by_one(cron: str, begin: int, hours: int) -> None:
    trigger = ScheduleTrigger(cron=cron, timezone="America/New_York", catch_up="all")
    now = begin + hours * HOUR
    one_by_one: list[int] = []
    while (upcoming := next_times(trigger, one_by_one[-1] if one_by_one else begin, 1)) and upcoming[0] <= now:
        if len(one_by_one) > 2 * CATCH_UP_MAX:
            break
        one_by_one += upcoming
    else:
        assert due(trigger, begin, now) == one_by_one[-CATCH_UP_MAX:]
        assert due(trigger, begin, now, "one") == one_by_one[-1:]


def test_triggers_of_the_same_times_are_told_from_others() -> None:
    daily = ScheduleTrigger(cron="0 6 * * *")
    assert same_times(daily, ScheduleTrigger(cron="0 6 * * *", payload={"full": True}, overlap="queue"))
    assert not same_times(daily, ScheduleTrigger(cron="0 6 * * *", timezone=BERLIN))
    assert not same_times(OnceTrigger(), OnceTrigger(at="2026-01-01T06:00:00Z"))


def test_a_schedule_is_explained_in_english() -> None:
    assert explain(ScheduleTrigger(cron="0 6 * * *", timezone=BERLIN)).startswith(
        "At 06:00 every day, Europe/Berlin time. A time is skipped"
    )
    assert explain(ScheduleTrigger(every_s=300)).startswith("Every 5 minutes.")
    assert explain(ScheduleTrigger(every_s=3600)).startswith("Every hour.")
    assert explain(ScheduleTrigger(every_s=0.5, overlap="allow")).startswith("Every 0.5 seconds. Runs may overlap.")
    assert explain(OnceTrigger()) == "Once, as soon as the revision is live."
    assert explain(OnceTrigger(at="2026-01-01T06:00:00Z")) == "Once, at 2026-01-01T06:00:00Z."


def test_hours_of_the_year_agree_with_the_calendar() -> None:
    """Every day of a year at 06:00 Berlin, computed without cron."""
    zone = ZoneInfo(BERLIN)
    begin = datetime(2026, 1, 1, tzinfo=zone)
    days = [datetime(2026, 1, 1, 6, tzinfo=zone) + timedelta(days=day) for day in range(365)]
    found = next_times(ScheduleTrigger(cron="0 6 * * *", timezone=BERLIN), round(begin.timestamp() * SECOND), 365)
    assert found == [round(day.timestamp() * SECOND) for day in days]


def test_a_time_that_it_stands_at_is_one_that_was_met_only_where_it_is_its_own() -> None:
    hourly = ScheduleTrigger(every_s=3600)
    assert fired_last(hourly, 7_200_000_000) == 7_200_000_000
    assert fired_last(hourly, 7_200_000_001) is None
    assert fired_last(hourly, None) is None
    assert fired_last(OnceTrigger(), 7_200_000_001) == 7_200_000_001
