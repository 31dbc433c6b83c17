"""Version windows: how they stand, where a reader goes on in the newer version, and the end of the older one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from hansa.access.decide import Action
from hansa.errors import CallerError
from hansa.lifecycle.standing import Standing
from hansa.model.ids import PortId
from hansa.model.window import Phase
from hansa.outputs import feed, stream
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.merge import rfc3339
from hansa.triggers.versions import twin


class WindowQuery(msgspec.Struct):
    """`position` is a cursor in the older version, `lastEventId` the last event that was read there (HTTP Feeds); the
    answer says where the same records go on in the newer one."""

    position: str | None = None
    lastEventId: str | None = None  # noqa: N815


class RetiredBy(msgspec.Struct, frozen=True):
    """Who ended a version, when, and with whose approval; none where nobody read it."""

    by: str
    at: str
    approval: str


class WindowTold(msgspec.Struct, frozen=True, kw_only=True):
    """A window; times are RFC 3339. `readers` keep the older version open; `position` or `lastEventId` is where a
    reader of it goes on in the newer one."""

    older: str
    newer: str
    phase: Phase
    deprecated_at: str | None
    general_availability: str | None
    end_of_support: str | None
    end_of_life: str | None
    retired: RetiredBy | None
    readers: list[str] = []
    position: str | None = None
    lastEventId: str | None = None  # noqa: N815


class Retire(msgspec.Struct):
    """`approval` says who agreed that readers are cut off, and why."""

    approval: str = ""


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/ports/{product}/{port}/window", window, Action.PORT_READ),
        endpoint.route("POST", "/ports/{product}/{port}/retire", retire, Action.PRODUCT_RETIRE),
    ]


def headers_of(standing: Standing, prefix: str = "/ports") -> dict[str, str]:
    """What every answer of the older version says: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`
    (RFC 8288) to its successor."""
    versions, since = standing.versions, standing.deprecated_at
    headers = {"link": f'<{prefix}/{versions.newer}>; rel="successor-version"'}
    if since is not None:
        headers["deprecation"] = f"@{int(since.timestamp())}"
        headers["link"] += f', <{prefix}/{versions.older}/window>; rel="deprecation"'
        if standing.ends_at is not None:
            headers["sunset"] = format_datetime(standing.ends_at.astimezone(UTC), usegmt=True)
    return headers


async def tell(asked: Asked, port: str) -> None:
    """Has the answer to a read of a port say how its version stands. Raises `CallerError("port.ended")`."""
    standing = await asyncio.to_thread(asked.services.retiring.check, port)
    if standing is not None:
        asked.headers |= headers_of(standing)


async def window(asked: Asked, query: WindowQuery) -> WindowTold:
    """How the window stands in which the port is the older version: its phase, its dates, who keeps it open. With a
    position in it, where to go on in the newer version."""
    port = str(PortId.parse(f"{asked.path('product')}/{asked.path('port')}"))
    asked.allow(asked.of(asked.path("product")))
    asked.services.mesh.port(port)
    standing = await asyncio.to_thread(asked.services.retiring.standing, port)
    if standing is None:
        hint = "Ask for the older version of a port whose contract has a window."
        raise CallerError("port.no_window", f"{port} is the older version in no window", hint=hint)
    readers = await asyncio.to_thread(asked.services.retiring.readers, port)
    moved = await asyncio.to_thread(_moved, asked, standing, query)
    return window_told(standing, readers=readers, **moved)


def window_told(standing: Standing, **more: Any) -> WindowTold:
    """A window as JSON shows it."""
    versions, older = standing.versions, standing.versions.older_dates
    return WindowTold(
        older=versions.older, newer=versions.newer, phase=standing.phase, deprecated_at=_time(standing.deprecated_at),
        general_availability=_time(versions.newer_dates.general_availability),
        end_of_support=_time(older.end_of_support), end_of_life=_time(older.end_of_life),
        retired=_retired(standing), **more,
    )  # fmt: skip


def _retired(standing: Standing) -> RetiredBy | None:
    found = standing.retirement
    return None if found is None else RetiredBy(found.by, rfc3339(found.time_us), found.approval)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(int(moment.timestamp() * 1e6))


def _moved(asked: Asked, standing: Standing, query: WindowQuery) -> dict[str, Any]:
    """Where a reader of the older version goes on in the newer one."""
    older, newer, log = standing.versions.older, standing.versions.newer, asked.services.log.log
    if query.lastEventId is not None:
        partition, _, position = query.lastEventId.partition("-")
        feed.after_event(log, older, query.lastEventId)
        at = twin(log, older, newer, int(partition), int(position))
        return {"lastEventId": f"{partition}-{at:020d}"}
    if query.position is None:
        return {}
    cursor = stream.start(log, older, query.position)
    moved = {partition: twin(log, older, newer, partition, at) for partition, at in cursor.items()}
    return {"position": stream.cursor_text(moved)}


async def retire(asked: Asked, body: Retire) -> WindowTold:
    """Ends the older version of a port: from now on it refuses, naming its successor. Refused while someone reads it,
    unless an approval says who agreed."""
    port = str(PortId.parse(f"{asked.path('product')}/{asked.path('port')}"))
    asked.allow(asked.of(asked.path("product")))
    asked.services.mesh.port(port)
    return window_told(await asked.services.retiring.retire(asked.principal.id, port, body.approval))
