"""What every document says of a product or a port version that is on its way out. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hansa.contracts.export import OUT
from hansa.lifecycle.standing import Standing
from hansa.model.ids import PortId
from hansa.model.product import OutputPortSpec, ProductState
from hansa.model.window import date_text


class Notice(NamedTuple):
    """`status` is in the words of ODCS. `successor` is the id of what to move to, where there is one, and `ends` when
    it ends, where that is known (RFC 3339, a day or a moment)."""

    status: str = "active"
    successor: str | None = None
    ends: str | None = None

    @property
    def is_deprecated(self) -> bool:
        """True where it should not be used anew."""
        return self.status in OUT

    def words(self) -> dict[str, Any]:
        """As `marks`, where the standard has the word `deprecated` itself."""
        return {"deprecated": True, **self.marks()} if self.is_deprecated else self.marks()

    def marks(self) -> dict[str, Any]:
        """The extensions that documents carry where their standard has no word for it."""
        told = {"x-deprecated": self.is_deprecated or None, "x-successor": self.successor, "x-sunset": self.ends}
        return {name: value for name, value in told.items() if value is not None}


def notice_of(
    port: OutputPortSpec, state: ProductState, ports: Iterable[OutputPortSpec], standing: Standing | None = None
) -> Notice:
    """What to say of `port`, whose product is in `state` and has `ports`. `standing` is how its window stands, where
    it is the older version of one; of any other, the newest major is the successor once it is deprecated."""
    status = _status(port, state, standing)
    if standing is not None:
        ends = standing.ends_at
        return Notice(status, standing.versions.newer, None if ends is None else date_text(ends))
    return Notice(status, _newest(port, ports) if status in OUT else None)


def _status(port: OutputPortSpec, state: ProductState, standing: Standing | None) -> str:
    if standing is not None and (standing.phase.is_deprecated or port.is_announced):
        own = standing.phase.status
    else:
        own = "deprecated" if port.is_announced else port.contract.status
    return "deprecated" if state is ProductState.DEPRECATED and own not in OUT else own


def _newest(port: OutputPortSpec, ports: Iterable[OutputPortSpec]) -> str | None:
    """The newest major of the same port, where that is another one."""
    own = PortId.parse(port.id)
    later = [found for found in (PortId.parse(other.id) for other in ports) if found.name == own.name]
    newest = max(later, key=lambda found: found.major, default=own)
    return str(newest) if newest.major > own.major else None
