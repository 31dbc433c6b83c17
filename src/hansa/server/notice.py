"""What every document says of a product or a port version that is on its way out. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hansa.lifecycle.retiring import Standing
from hansa.model.ids import PortId
from hansa.model.product import OutputPortSpec, ProductState


class Notice(NamedTuple):
    """`is_deprecated`: it should not be used anew. `successor` is the id of what to move to, where there is one, and
    `ends` the day after which it is not served, where it is known."""

    is_deprecated: bool = False
    successor: str | None = None
    ends: str | None = None

    def words(self) -> dict[str, Any]:
        """As `marks`, where the standard has the word `deprecated` itself."""
        return {"deprecated": True, **self.marks()} if self.is_deprecated else {}

    def marks(self) -> dict[str, Any]:
        """The extensions that documents carry where their standard has no word for it."""
        if not self.is_deprecated:
            return {}
        told = {"x-deprecated": True, "x-successor": self.successor, "x-sunset": self.ends}
        return {name: value for name, value in told.items() if value is not None}


def notice_of(
    port: OutputPortSpec, state: ProductState, ports: Iterable[OutputPortSpec], standing: Standing | None = None
) -> Notice:
    """What to say of `port`, whose product is in `state` and has `ports`. `standing` is how its window stands, where
    it is the older version of one."""
    own = PortId.parse(port.id)
    later = [found for found in (PortId.parse(other.id) for other in ports) if found.name == own.name]
    newest = max(later, key=lambda found: found.major, default=own)
    has_left = port.contract.status == "deprecated" if standing is None else standing.phase.is_deprecated
    ends = None if standing is None else standing.versions.older_dates.end_of_life
    return Notice(
        has_left or state is ProductState.DEPRECATED,
        str(newest) if newest.major > own.major else None,
        f"{ends:%Y-%m-%d}" if ends is not None else None,
    )
