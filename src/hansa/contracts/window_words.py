"""What changes in the dates of a version and in its window, in the words of people: plans and change logs say the same.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from hansa.contracts.mapping import is_name
from hansa.model.window import Dates, Window, date_text

_DAY_S: Final = 86_400
_DATES: Final = {
    "general_availability": ("can be counted on from", "the general availability"),
    "end_of_support": ("is supported until", "the end of support"),
    "end_of_life": ("is served until", "the end of life"),
}


class Said(NamedTuple):
    """One change and its sentence, without a full stop."""

    kind: Literal["added", "changed", "removed"]
    text: str


def dates_changed(version: str, old: Dates, new: Dates) -> Iterator[Said]:
    """What changes in the dates of `version`, which is what sentences call it."""
    for name, (promise, noun) in _DATES.items():
        was, will_be = getattr(old, name), getattr(new, name)
        if was == will_be:
            continue
        if will_be is None:
            yield Said("removed", f"{noun} of {version} is taken back; it was {date_text(was)}")
        elif was is None:
            yield Said("added", f"{version} {promise} {date_text(will_be)}; no such date was set before")
        else:
            moved = f"{_moved(was, will_be)} than was said ({date_text(was)})"
            yield Said("changed", f"{version} {promise} {date_text(will_be)}, {moved}")


def _moved(was: datetime, will_be: datetime) -> str:
    """`31 days earlier`"""
    days = abs(will_be - was).total_seconds() // _DAY_S
    by = f"{days:.0f} day{'' if days == 1 else 's'} " if days else ""
    return f"{by}{'earlier' if will_be < was else 'later'}"


def window_changed(version: str, old: Window | None, new: Window | None, other: Callable[[int], str]) -> Iterator[Said]:
    """What changes in the window of `version`; `other` is what sentences call another major."""
    if old is not None and (new is None or new.previous != old.previous):
        closed = f"what is published to {other(old.previous)} or {version} is not translated into the other any more"
        yield Said("removed", closed)
    if new is not None and (old is None or new.previous != old.previous):
        ways = f"{_way(new.upgrade)} translates up and {_way(new.downgrade)} down"
        yield Said("added", f"{version} is served beside {other(new.previous)}: {ways}")
    if old is not None and new is not None and new.previous == old.previous:
        yield from _translators(version, old, new, other(new.previous))


def _translators(version: str, old: Window, new: Window, older: str) -> Iterator[Said]:
    if old.upgrade != new.upgrade:
        told = f"{older} is translated into {version} by {_way(new.upgrade)}, no more by {_way(old.upgrade)}"
        yield Said("changed", told)
    if old.downgrade != new.downgrade:
        told = f"{version} is translated into {older} by {_way(new.downgrade)}, no more by {_way(old.downgrade)}"
        yield Said("changed", told)


def _way(translator: str) -> str:
    return translator if is_name(translator) else f"the JSONata {translator}"
