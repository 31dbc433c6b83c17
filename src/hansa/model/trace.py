"""W3C Trace Context: what a call belongs to, as it goes from one program to the next."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

STATE_MAX: Final = 512
"""Characters of a `tracestate` that are handed on (section 3.3.1.5); a longer one is left out."""
_PARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class TraceContext(NamedTuple):
    """A span of a trace, by its ids in hexadecimal. `state` is the `tracestate` that came with it."""

    trace_id: str
    span_id: str
    is_sampled: bool
    state: str = ""

    @property
    def text(self) -> str:
        """As a `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"

    @property
    def headers(self) -> dict[str, str]:
        """As headers of a request."""
        return {"traceparent": self.text, "tracestate": self.state} if self.state else {"traceparent": self.text}


def context_of(traceparent: str | None, tracestate: str = "") -> TraceContext | None:
    """The context that headers tell (section 3.2); None where they tell none that is valid."""
    found = _PARENT.fullmatch(traceparent or "")
    if found is None or (found[4] and found[0].startswith("00")):
        return None
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1), _kept(tracestate))


def _kept(state: str) -> str:
    return state if len(state) <= STATE_MAX and state.isprintable() else ""
