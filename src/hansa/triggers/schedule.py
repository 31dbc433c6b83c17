"""When a schedule fires. Pure: every function is given the time, in µs since the epoch, UTC.

Cron times follow Debian's cron over a change of the clocks: a job at a fixed time fires once, in the hour that comes
twice at the first of the two, in the hour that is left out at the end of the gap. Hours and minutes given with `*` are
intervals, which go on evenly. `every_s` counts from the epoch, so that its times do not depend on when it was deployed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hansa.errors import AuthorError
from hansa.model.product import OnceTrigger, ScheduleTrigger

TimedTrigger = ScheduleTrigger | OnceTrigger
CatchUp = Literal["none", "one", "all"]

CATCH_UP_MAX: Final = 1000
"""Most times that `catch_up="all"` makes up for: the latest ones."""
LATE_MAX_US: Final = 10_000_000
"""How far past a time may be and still count as met, not missed."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INTERVAL_MIN_US: Final = 1000
_LOOK_BACK_US: Final = 3600 * 1_000_000
_LOOK_BACK_FACTOR: Final = 8
_UNITS: Final = (("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))
_CATCH_UP_WORDS: Final = {
    "none": "Missed times are not made up.",
    "one": "After missed times it runs once.",
    "all": f"Missed times are all made up, at most {CATCH_UP_MAX}.",
}
_OVERLAP_WORDS: Final = {
    "skip": "A time is skipped while the run before is at work.",
    "queue": "A time waits while the run before is at work.",
    "allow": "Runs may overlap.",
}


def check(trigger: TimedTrigger) -> None:
    """Raises `AuthorError` unless it can fire: `schedule.cron`, `.timezone`, `.interval` or `once.time`."""
    next_times(trigger, 0, 0)


def same_times(one: TimedTrigger, other: TimedTrigger) -> bool:
    """True where both fire at the same times, whatever their payload and rules."""
    return _timing(one) == _timing(other)


def next_times(trigger: TimedTrigger, after_us: int, count: int) -> list[int]:
    """The first `count` times later than `after_us`, ascending; fewer where there are no more. Raises as `check`."""
    return list(islice(_times(trigger, after_us), count))


def fired_last(trigger: TimedTrigger, stands_us: int | None) -> int | None:
    """The last time that was met, of the one that it stands at: None where that is only when it was deployed or
    resumed."""
    if stands_us is None or (isinstance(trigger, OnceTrigger) and trigger.at is None):
        return stands_us
    return stands_us if next_times(trigger, stands_us - 1, 1) == [stands_us] else None


def due(trigger: TimedTrigger, last_us: int | None, now_us: int, catch_up: CatchUp | None = None) -> list[int]:
    """The times later than `last_us` and not later than `now_us` that are to be fired now, ascending.

    `none` fires the latest where it is at most `LATE_MAX_US` past, `one` the latest however late, `all` the latest
    `CATCH_UP_MAX`; `catch_up` overrules the trigger's own. `last_us=None` says that it has never fired nor begun: only
    `once()` without a time is due then, at `now_us`. A clock that went back makes nothing due.
    """
    if isinstance(trigger, OnceTrigger):
        if trigger.at is None:
            return [now_us] if last_us is None else []
        return [] if last_us is None else [at for at in _times(trigger, last_us) if at <= now_us]
    if last_us is None or now_us <= last_us:
        return []
    rule = catch_up or trigger.catch_up
    found = _latest(trigger, last_us, now_us, CATCH_UP_MAX if rule == "all" else 1)
    return [time for time in found if rule != "none" or now_us - time <= LATE_MAX_US]


def explain(trigger: TimedTrigger) -> str:
    """The trigger in English, for people. Raises as `check`."""
    check(trigger)
    if isinstance(trigger, OnceTrigger):
        return f"Once, at {trigger.at}." if trigger.at else "Once, as soon as the revision is live."
    return f"{_explain_times(trigger)}. {_OVERLAP_WORDS[trigger.overlap]} {_CATCH_UP_WORDS[trigger.catch_up]}"


def _explain_times(trigger: ScheduleTrigger) -> str:
    if trigger.cron is None:
        step_us = _step_us(trigger)
        unit, size_us = next(((u, s) for u, s in _UNITS if step_us % s == 0), ("second", 1_000_000))
        count = step_us / size_us
        return f"Every {unit}" if count == 1 else f"Every {count:g} {unit}s"
    words: str = CronSim(trigger.cron, _EPOCH).explain()
    return f"{words}, {trigger.timezone} time"


def _times(trigger: TimedTrigger, after_us: int) -> Iterator[int]:
    """Every time later than `after_us`. What is wrong with the trigger is raised here, not at the first `next`."""
    if isinstance(trigger, OnceTrigger):
        at_us = _once_us(trigger)
        return iter([at_us] if at_us is not None and at_us > after_us else [])
    if (trigger.cron is None) == (trigger.every_s is None):
        raise AuthorError(
            "schedule.interval",
            f"A schedule has cron={trigger.cron!r} and every_s={trigger.every_s!r}",
            hint="Give exactly one of the two.",
        )
    if trigger.cron is not None:
        return _cron_times(trigger.cron, _zone(trigger.timezone), after_us)
    return _interval_times(_step_us(trigger), after_us)


def _interval_times(step_us: int, after_us: int) -> Iterator[int]:
    time_us = after_us - after_us % step_us
    while True:
        time_us += step_us
        yield time_us


def _cron_times(cron: str, zone: ZoneInfo, after_us: int) -> Iterator[int]:
    if len(cron.split()) != 5:
        raise _bad_cron(cron, "it has not five fields")
    try:
        times = CronSim(cron, (_EPOCH + after_us * _MICROSECOND).astimezone(zone))
    except CronSimError as failure:
        raise _bad_cron(cron, str(failure)) from failure
    # Begun inside an hour that comes twice, cronsim first gives its time in the first of the two, which is over.
    return (found for found in map(_us, times) if found > after_us)


def _latest(trigger: ScheduleTrigger, last_us: int, now_us: int, count: int) -> list[int]:
    """The last `count` times in (last, now]. It looks back in growing steps, so that long downtime costs little."""
    back_us = _LOOK_BACK_US if trigger.every_s is None else count * _step_us(trigger)
    while True:
        begin_us = max(last_us, now_us - back_us)
        found = deque(_until(_times(trigger, begin_us), now_us), maxlen=count)
        if begin_us == last_us or len(found) == count:
            return list(found)
        back_us *= _LOOK_BACK_FACTOR


def _until(times: Iterator[int], end_us: int) -> Iterator[int]:
    for time in times:
        if time > end_us:
            return
        yield time


def _timing(trigger: TimedTrigger) -> tuple[object, ...]:
    if isinstance(trigger, OnceTrigger):
        return ("once", trigger.at)
    return (trigger.cron, trigger.every_s, trigger.timezone)


def _us(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND


def _step_us(trigger: ScheduleTrigger) -> int:
    step_us = round((trigger.every_s or 0) * 1_000_000)
    if step_us < _INTERVAL_MIN_US:
        raise AuthorError(
            "schedule.interval", f"every_s={trigger.every_s} is not an interval", hint="Give at least 0.001 seconds."
        )
    return step_us


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as failure:
        raise AuthorError(
            "schedule.timezone", f"{name!r} is not a time zone", hint="Use an IANA name such as 'Europe/Berlin'."
        ) from failure


def _once_us(trigger: OnceTrigger) -> int | None:
    if trigger.at is None:
        return None
    try:
        moment = datetime.fromisoformat(trigger.at)
    except ValueError as failure:
        raise AuthorError(
            "once.time", f"{trigger.at!r} is not a time", hint="Write it like '2026-12-24T18:00:00Z'."
        ) from failure
    if moment.tzinfo is None:
        raise AuthorError("once.time", f"{trigger.at} has no time zone", hint="Add one: Z or +01:00.")
    return _us(moment)


def _bad_cron(cron: str, why: str) -> AuthorError:
    return AuthorError(
        "schedule.cron",
        f"{cron!r} is not a cron expression: {why}",
        hint="Give five fields: minute hour day month weekday, for example '0 6 * * *'.",
    )
