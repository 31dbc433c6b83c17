"""Connections as author code sees them: every call is executed by the server's broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hansa.runtime.context import Door
from hansa.sdk.connections import FileInfo, Files, Http, HttpResponse, Mail, Parameters, Sql
from hansa.sdk.product import DataProduct


class _Remote:
    def __init__(self, door: Door, name: str) -> None:
        self._door = door
        self._name = name

    def _ask(self, operation: str, *arguments: Any) -> Any:
        return self._door.ask("connection", [self._name, operation, list(arguments)])


class RemoteSql(_Remote, Sql):
    def query(self, sql: str, params: Parameters = ()) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("query", sql, params)
        return found

    def execute(self, sql: str, params: Parameters | Sequence[Parameters] = ()) -> int:
        if isinstance(params, list) and not params:
            return 0  # a list of rows without a row: nothing to do, and on the wire no different from no parameters
        return int(self._ask("execute", sql, params))


class RemoteHttp(_Remote, Http):
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
        status, found, content = self._ask(
            "request", method, path, body, dict(query or {}), dict(headers or {}), timeout_s
        )
        return HttpResponse(status, found, content)


class RemoteFiles(_Remote, Files):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return [FileInfo(*entry) for entry in self._ask("list", path)]

    def read(self, path: str, *, start: int = 0, size_bytes: int | None = None) -> bytes:
        data: bytes = self._ask("read", path, start, size_bytes)
        return data

    def write(self, path: str, data: bytes) -> None:
        self._ask("write", path, data)

    def delete(self, path: str) -> None:
        self._ask("delete", path)


class RemoteMail(_Remote, Mail):
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
        receivers = [to] if isinstance(to, str) else [*to]
        self._ask("send", receivers, subject, text, html, [*cc], [*bcc], reply_to)


_KINDS: dict[type, Callable[[Door, str], Any]] = {
    Sql: RemoteSql,
    Http: RemoteHttp,
    Files: RemoteFiles,
    Mail: RemoteMail,
}


def connection_for(door: Door, product: DataProduct) -> Callable[[str], Any]:
    """The connection of a name, of the kind that the product's logic annotates it with."""
    kinds = {
        parameter.name: parameter.annotation
        for process in product.processes.values()
        for step in process.steps
        for parameter in (*step.parameters, *step.on_error_parameters)
        if parameter.source == "connection"
    }
    return lambda name: _KINDS[kinds[name]](door, name)
