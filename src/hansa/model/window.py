"""Version windows: the time in which two majors of a port are both served and translated. Pure.

`phase_of` is the one place that decides how far a window is; everything that tells it asks here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Dates:
    """When a version may be used, is supported no more, and ends (ODCS slaProperties `generalAvailability`,
    `endOfSupport`, `endOfLife`): instants in UTC in this order, None where the contract does not say."""

    general_availability: datetime | None = None
    end_of_support: datetime | None = None
    end_of_life: datetime | None = None


NO_DATES: Final = Dates()


@dataclass(frozen=True, slots=True)
class Window:
    """What the contract of the newer version says: the major served beside it, and what translates a record up from
    that and down to it, each the name of a translator of the product or JSONata."""

    previous: int
    upgrade: str
    downgrade: str


class Phase(StrEnum):
    """How far a window is, seen from the older version. The words are in this order in time."""

    UPCOMING = "upcoming"
    """The newer version may not be counted on yet."""
    BOTH = "both"
    """Both are as good, and nothing says when the older one ends."""
    DEPRECATED = "deprecated"
    """The older one is served and translated, and its end is known or announced."""
    ENDED_SUPPORT = "ended_support"
    """It is served still, and nobody answers for it; where its end of life has passed, because someone reads it."""
    ENDED = "ended"
    """It refuses, naming the newer one."""

    @property
    def is_deprecated(self) -> bool:
        """Whether documents show the older version as deprecated."""
        return self in (Phase.DEPRECATED, Phase.ENDED_SUPPORT, Phase.ENDED)

    @property
    def status(self) -> str:
        """The older version's status in the words of ODCS."""
        if self is Phase.ENDED:
            return "retired"
        return "deprecated" if self.is_deprecated else "active"


@dataclass(frozen=True, slots=True)
class Versions:
    """The two versions of a window: ids of their ports, and what their contracts say. `announced`: the older one's
    author says that it is deprecated."""

    older: str
    newer: str
    older_dates: Dates = NO_DATES
    newer_dates: Dates = NO_DATES
    announced: bool = False

    @property
    def has_end(self) -> bool:
        """True where it is known, or announced, that the older version ends."""
        dates = self.older_dates
        return self.announced or dates.end_of_support is not None or dates.end_of_life is not None


def phase_of(versions: Versions, now: datetime, readers: Collection[str] = (), *, retired: bool = False) -> Phase:
    """The phase at `now`. A version that someone reads does not end by its date alone: it is retired, or its readers
    leave. As time goes on and readers are the same, it never goes back."""
    dates = versions.older_dates
    if retired or (_passed(dates.end_of_life, now) and not readers):
        return Phase.ENDED
    if _passed(dates.end_of_support, now) or _passed(dates.end_of_life, now):
        return Phase.ENDED_SUPPORT
    available = versions.newer_dates.general_availability
    if available is not None and now < available:
        return Phase.UPCOMING
    return Phase.DEPRECATED if versions.has_end else Phase.BOTH


def contradictions(versions: Versions) -> list[str]:
    """What cannot be meant by the dates of two versions, in words; each contract's own order is checked where it is
    read."""
    older, newer = versions.older_dates, versions.newer_dates
    pairs = (
        ("ends", older.end_of_life, "is available", newer.general_availability),
        ("is supported no more", older.end_of_support, "is available", newer.general_availability),
    )
    found = [
        f"{versions.older} {does} ({date_text(at)}) before {versions.newer} {begins} ({date_text(since)})"
        for does, at, begins, since in pairs
        if at is not None and since is not None and at < since
    ]
    if older.end_of_life and newer.end_of_life and newer.end_of_life < older.end_of_life:
        ends, still = date_text(newer.end_of_life), date_text(older.end_of_life)
        found.append(f"{versions.newer} ends ({ends}) before {versions.older} does ({still})")
    return found


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment


def date_text(moment: datetime) -> str:
    """A day where it begins with the moment, else the moment to the second (RFC 3339, full-date or date-time)."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if utc.time() == time() else f"{utc:%Y-%m-%dT%H:%M:%SZ}"
