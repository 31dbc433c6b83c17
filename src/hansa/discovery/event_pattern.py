"""Ordered patterns of events: A, then B within 30 s, sharing a key.

SQL finds the events that fit any step, in order; one pass over them keeps, per key, the sequences that wait for their
next step. Each sequence moves at most once per step, so the work grows with the events that fit, not with their pairs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from hansa.discovery.events import EVENT_COLUMNS, EVENT_FIELDS, Event, event_of
from hansa.views.condition import And, Condition, Or, malformed
from hansa.views.database import Connection, Dialect, Sql, told

_STEPS_MAX: Final = 16
_SHARING_MAX: Final = 4


class PatternQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sequence is one event for each of `steps` (conditions), each later than the one before, from the first to the
    last within `within_s`, and with equal values in each of `sharing`.

    An entry of `sharing` is a field, or a list with the field of each step where they differ (`["target", "source"]`:
    the target of the first is the source of the second). Events without a value share nothing. Every event that fits
    the first step begins at most one sequence, continued each time by the earliest event that fits. `where` must hold
    for every event of it. Sequences come in the order in which they were completed, at most `size`.
    """

    steps: list[Any]
    within_s: float | None = None
    sharing: list[str | list[str]] = []
    where: Any = None
    size: int = 100


class EventSequence(msgspec.Struct, frozen=True):
    """The events, one per step, and what they share, in the order of `sharing`."""

    events: list[Event]
    keys: list[Any]


class Sequences(msgspec.Struct, frozen=True):
    """`complete` is False where there are more than were asked for."""

    sequences: list[EventSequence]
    complete: bool


class Fit(NamedTuple):
    """An event that fits some steps: for each step the key that it has there, or None where it does not fit."""

    place: int
    time_us: int
    keys: Sequence[tuple[Any, ...] | None]


class Found(NamedTuple):
    """A complete sequence: the places of its events, and its key."""

    places: tuple[int, ...]
    key: tuple[Any, ...]


def follow(fits: Iterable[Fit], steps: int, within_us: int | None) -> Iterator[Found]:
    """The sequences in `fits`, which come in order of time. Pure; linear in fits × steps."""
    waiting: list[defaultdict[tuple[Any, ...], deque[tuple[int, tuple[int, ...]]]]]
    waiting = [defaultdict(deque) for _ in range(steps)]
    for fit in fits:
        for step in range(steps - 1, 0, -1):
            key = fit.keys[step]
            partial = waiting[step].pop(key, None) if key is not None else None
            if key is None or partial is None:
                continue
            if within_us is not None:
                while partial and partial[0][0] < fit.time_us - within_us:
                    partial.popleft()
            longer = [(begun, (*places, fit.place)) for begun, places in partial]
            if step == steps - 1:
                yield from (Found(places, key) for _, places in longer)
            elif longer:
                waiting[step + 1][key].extend(longer)
        if fit.keys[0] is not None:
            waiting[1][fit.keys[0]].append((fit.time_us, (fit.place,)))


def find_sequences(db: Connection, query: PatternQuery, steps: list[Condition], where: Condition) -> Sequences:
    """The sequences of `query`, with its conditions parsed. Raises `CallerError("query.malformed")`."""
    if not 2 <= len(steps) <= _STEPS_MAX:
        raise malformed(f"The pattern has {len(steps)} steps", f"Between 2 and {_STEPS_MAX}.")
    within_us = None if query.within_s is None else round(query.within_s * 1_000_000)
    if within_us is not None and within_us < 0:
        raise malformed(f"within_s is {query.within_s}", "It is 0 or more seconds.")
    fits = _fits(db, steps, where, _shared(query.sharing, len(steps)))
    found: list[Found] = []
    for one in follow(fits, len(steps), within_us):
        if len(found) == query.size:
            return Sequences(_with_events(db, found), complete=False)
        found.append(one)
    return Sequences(_with_events(db, found), complete=True)


def _shared(sharing: Sequence[str | list[str]], steps: int) -> list[list[str]]:
    """The shared fields of each step."""
    if len(sharing) > _SHARING_MAX:
        raise malformed(f"{len(sharing)} fields are shared", f"At most {_SHARING_MAX}.")
    named = [[entry] * steps if isinstance(entry, str) else entry for entry in sharing]
    for entry in named:
        if len(entry) != steps:
            raise malformed(
                f"{entry!r} names {len(entry)} fields for {steps} steps", "Name one field, or one per step."
            )
    return [[entry[step] for entry in named] for step in range(steps)]


def _fits(db: Connection, steps: list[Condition], where: Condition, shared: list[list[str]]) -> Iterator[Fit]:
    """The events that fit any step, in order of time and log. SQL decides, so that steps mean what searches do."""
    tests = [EVENT_FIELDS.where(step, db.dialect) for step in steps]
    parts, at = _places_of(shared, 2 + len(steps), db.dialect)
    any_step, any_values = EVENT_FIELDS.where(And([Or(steps), where]), db.dialect)
    columns = ["place", "time_us", *(sql for sql, _ in tests), *(sql for sql, _ in parts)]
    given = [value for _, parameters in (*tests, *parts) for value in parameters]
    sql = f"SELECT {', '.join(columns)} FROM event WHERE {any_step} ORDER BY time_us, place"
    for row in db.execute(sql, (*given, *any_values)):
        yield Fit(row[0], row[1], [_key(row, at[n]) if row[2 + n] else None for n in range(len(steps))])


def _places_of(shared: list[list[str]], begin: int, dialect: Dialect) -> tuple[list[Sql], list[list[slice]]]:
    """The parts of all fields that are shared, and where in a row each step has those of its fields."""
    parts: list[Sql] = []
    places: dict[str, slice] = {}
    for field in dict.fromkeys(field for step in shared for field in step):
        found = EVENT_FIELDS.parts(field, dialect)
        places[field] = slice(begin + len(parts), begin + len(parts) + len(found))
        parts += found
    return parts, [[places[field] for field in step] for step in shared]


def _key(row: Sequence[Any], places: Sequence[slice]) -> tuple[Any, ...] | None:
    key = tuple([told(row[place]) for place in places])
    return None if None in key else key


def _with_events(db: Connection, found: list[Found]) -> list[EventSequence]:
    places = sorted({place for one in found for place in one.places})
    rows = db.execute(
        f"SELECT place, {', '.join(EVENT_COLUMNS)} FROM event WHERE {db.dialect.among('place')}", (places,)
    )
    events = {row[0]: event_of(row[1:]) for row in rows}
    return [EventSequence([events[place] for place in one.places], list(one.key)) for one in found]
