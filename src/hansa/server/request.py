"""A call as it came, before anybody has looked at it."""

from __future__ import annotations

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
