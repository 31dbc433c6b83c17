"""A call as it came, before anybody has looked at it."""

from __future__ import annotations

from typing import Final

Header = tuple[bytes, bytes]


class Request:
    """One call, whole. Header names are lower-case."""

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(self, method: str, path: str, query: bytes, headers: list[Header], body: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body


_SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization"))
_READ: Final = _SECRET | {b"content-type", b"idempotency-key", b"traceparent", b"tracestate", b"prefer", b"hansa-token"}


class Headers:
    """What a call's headers say, read in one pass. `kept` is what author code and the history see: no credential."""

    __slots__ = ("authorization", "content_type", "idempotency_key", "is_async", "kept", "seen", "trace", "trace_state")

    def __init__(self, headers: list[Header]) -> None:
        self.authorization = self.content_type = ""
        self.idempotency_key: str | None = None
        self.trace: str | None = None
        self.trace_state = ""
        self.seen: str | None = None
        self.is_async = False
        self.kept = headers
        for name, value in headers:
            if name not in _READ:
                continue
            if name == b"content-type":
                self.content_type = value.decode("latin-1")
            elif name == b"idempotency-key":
                self.idempotency_key = value.decode("latin-1")
            elif name == b"traceparent":
                self.trace = value.decode("latin-1")
            elif name == b"tracestate":
                self.trace_state = value.decode("latin-1")
            elif name == b"prefer":
                self.is_async = b"respond-async" in value
            elif name == b"hansa-token":
                self.seen = value.decode("latin-1")
            else:
                if name == b"authorization":
                    self.authorization = value.decode("latin-1")
                self.kept = [pair for pair in self.kept if pair[0] != name]
