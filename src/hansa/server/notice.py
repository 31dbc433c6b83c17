"""What every document and answer says of a port version that is on its way out. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hansa.model.ids import PortId
from hansa.model.product import OutputPortSpec, ProductState, versions_of, windows_among


class Notice(NamedTuple):
    """`is_deprecated`: it should not be used anew. `successor` is the id of the port to move to, where there is one."""

    is_deprecated: bool = False
    successor: str | None = None

    def marks(self) -> dict[str, Any]:
        """The extensions that documents carry where their standard has no word for it."""
        found = {"x-deprecated": True} if self.is_deprecated else {}
        return found | ({"x-successor": self.successor} if self.is_deprecated and self.successor else {})


def notice_of(port: OutputPortSpec, state: ProductState, ports: Iterable[OutputPortSpec]) -> Notice:
    """What to say of `port`, whose product is in `state` and has `ports`."""
    majors = list(ports)
    has_end = any(older.id == port.id and versions_of(older, newer).has_end for older, newer in windows_among(majors))
    is_deprecated = has_end or port.contract.status == "deprecated" or state is ProductState.DEPRECATED
    own = PortId.parse(port.id)
    later = [found for found in map(PortId.parse, (other.id for other in majors)) if found.name == own.name]
    newest = max(later, key=lambda found: found.major, default=own)
    return Notice(is_deprecated, str(newest) if newest.major > own.major else None)
