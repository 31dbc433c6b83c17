"""The ways out that a logic may name: a parameter `db: Sql`, where `db` is a connection in product.yaml.

Calls are executed by the broker, outside the worker, at least once, with the connection's own address and secret:
paths are relative to it and a full URL is refused. A call that fails raises a `HansaError` whose code starts with
`connection.`
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Parameters = Sequence[Any] | Mapping[str, Any]


class Sql(ABC):
    """A database. Statements use the placeholders of its driver."""

    @abstractmethod
    def query(self, sql: str, params: Parameters = ()) -> list[dict[str, Any]]:
        """The rows, each by column name."""

    @abstractmethod
    def execute(self, sql: str, params: Parameters | Sequence[Parameters] = ()) -> int:
        """Rows affected. A list of tuples (or of dicts) runs the statement once for each, in one transaction."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer of any status; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """True for 200 to 299."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` where it is not."""
        return json.loads(self.body)


class Http(ABC):
    """An HTTP service. `body` is sent as it is where it is bytes or text, else as JSON."""

    @abstractmethod
    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> HttpResponse:
        """Any status is an answer; raises where there was none within `timeout_s`."""

    def get(self, path: str, **options: Any) -> HttpResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> HttpResponse:
        return self.request("POST", path, body=body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> HttpResponse:
        return self.request("PUT", path, body=body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> HttpResponse:
        return self.request("PATCH", path, body=body, **options)

    def delete(self, path: str, **options: Any) -> HttpResponse:
        return self.request("DELETE", path, **options)


@dataclass(frozen=True, slots=True)
class FileInfo:
    path: str
    size_bytes: int
    modified_us: int | None = None


class Files(ABC):
    """A folder, or a bucket. Paths are relative to it and never leave it."""

    @abstractmethod
    def list(self, path: str = "") -> Sequence[FileInfo]:
        """The files under `path`, by path."""

    @abstractmethod
    def read(self, path: str, *, start: int = 0, size_bytes: int | None = None) -> bytes:
        """The bytes from `start` on, all of them or at most `size_bytes`."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Replaces the file as a whole; folders are made as needed."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Removes the file; one that is not there is no error."""


class Mail(ABC):
    """A mail server and the sender it belongs to."""

    @abstractmethod
    def send(
        self,
        to: str | Sequence[str],
        subject: str,
        text: str,
        *,
        html: str | None = None,
        cc: Sequence[str] = (),
        bcc: Sequence[str] = (),
        reply_to: str | None = None,
    ) -> None:
        """Hands one message over."""


Connection = Sql | Http | Files | Mail
