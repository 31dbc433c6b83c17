"""The forms of what the API takes, as /openapi.json tells them. What they mean is checked by whoever uses it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

_NAME: Final = "[a-z][a-z0-9_]{0,62}"


def _told(**schema: Any) -> Meta:
    """A form that is told and not checked here: the refusal of who checks it says more."""
    return Meta(extra_json_schema=schema)


Name = Annotated[str, _told(pattern=f"^{_NAME}$")]
ProductId = Annotated[str, _told(pattern=rf"^{_NAME}\.{_NAME}$")]
Time = Annotated[str, _told(format="date-time")]
"""RFC 3339, or a date."""
Moment = Annotated[str, _told(format="date-time")]
"""RFC 3339 in UTC, as it is answered."""
Limit = Annotated[int, Meta(ge=1, le=1000)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Waiting(msgspec.Struct, frozen=True):
    """A run that is not over; its result will be at the path `result`. `runs` has all of them by process, where a
    route starts several."""

    run: str
    state: str
    result: str
    runs: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event of a stream (WHATWG HTML, section 9.2): its name, its data in JSON, and where to go on."""

    event: str
    data: str
    id: str | msgspec.UnsetType = msgspec.UNSET


IN_PATH: Final[dict[str, dict[str, Any]]] = {
    "domain": {"type": "string", "pattern": f"^{_NAME}$"},
    "person": {"type": "string", "pattern": f"^{_NAME}$"},
    "product": {"type": "string", "pattern": rf"^{_NAME}\.{_NAME}$"},
    "process": {"type": "string", "pattern": rf"^{_NAME}\.{_NAME}:{_NAME}$"},
    "port": {"type": "string", "pattern": f"^{_NAME}@[1-9][0-9]{{0,3}}$"},
    "run": {"type": "string", "format": "uuid"},
    "entry": {"type": "string", "format": "uuid"},
    "token": {"type": "string", "pattern": "^[A-Za-z0-9]{1,40}$"},
    "view": {"type": "string"},
    "subject": {"type": "string", "pattern": "^[A-Za-z0-9._:$+@~-]{1,249}$"},
    "version": {"type": "string", "pattern": "^([1-9][0-9]{0,8}|latest)$"},
    "schema": {"type": "integer", "minimum": 1, "maximum": 2147483647},
    "index": {"type": "integer", "minimum": 0, "maximum": 1000},
}
"""The parameters that stand in paths."""
