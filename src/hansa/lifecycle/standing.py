"""How a version window stands at a moment: the one value that headers, documents, warnings and plans are told from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from hansa.lifecycle.ended import Retirement
from hansa.model.window import Phase, Versions, date_text

_NEWS: Final = {
    Phase.UPCOMING: "will be followed",
    Phase.BOTH: "is followed",
    Phase.DEPRECATED: "is deprecated{end}: it is followed",
    Phase.ENDED_SUPPORT: "is supported no more{end}: it is followed",
    Phase.ENDED: "has ended: it is followed",
}


class Standing(msgspec.Struct, frozen=True):
    """How a window stands. `opened_us` is None until its first record was brought."""

    versions: Versions
    phase: Phase
    opened_us: int | None
    retirement: Retirement | None

    @property
    def deprecated_at(self) -> datetime | None:
        """From when on the older version is not to be used any more; it may be in the future."""
        if not self.versions.has_end and self.retirement is None:
            return None
        since = self.versions.newer_dates.general_availability
        if since is None and self.opened_us is not None:
            since = _instant(self.opened_us)
        ends = self.ends_at
        return ends if ends is not None and (since is None or ends < since) else since

    @property
    def ends_at(self) -> datetime | None:
        """When the older version ends, or did: it was retired, or its end of life."""
        if self.retirement is not None:
            return _instant(self.retirement.time_us)
        return self.versions.older_dates.end_of_life

    @property
    def warning(self) -> str:
        """What whoever reads the older version is told."""
        end = "" if self.ends_at is None else f", its end of life is {date_text(self.ends_at)}"
        return f"{self.versions.older} {_NEWS[self.phase].format(end=end)} by {self.versions.newer}"


def _instant(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1e6, UTC)
