"""`Client`: everything that a Hansa can be asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from hansa.client.data import Events, Ports
from hansa.client.governing import Audit, Domains, People, Schedules, Tokens
from hansa.client.keeping import Persons, Views
from hansa.client.products import Products
from hansa.client.quarantine import Quarantine
from hansa.client.runs import Processes, Runs
from hansa.client.transport import Transport, warn_of


class Client:
    """One Hansa at `url`, asked as the owner of `token`; operations are grouped by what they are about.

    Answers are plain data as the API documents them. Errors are those of `hansa.errors`, with the server's code and
    hint; `hansa.client.transport.Transport` says what is raised where no server answers. Use it in a `with`, or call
    `close`. Not to be shared by threads.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        on_notice: Callable[[str], None] = warn_of,
    ) -> None:
        self._transport = transport = Transport(url, token, timeout_s=timeout_s, on_notice=on_notice)
        self.url = transport.url
        self.products = Products(transport)
        self.processes = Processes(transport)
        self.runs = Runs(transport)
        self.quarantine = Quarantine(transport)
        self.ports = Ports(transport)
        self.events = Events(transport)
        self.domains = Domains(transport)
        self.people = People(transport)
        self.tokens = Tokens(transport)
        self.audit = Audit(transport)
        self.schedules = Schedules(transport)
        self.views = Views(transport)
        self.persons = Persons(transport)

    def health(self) -> dict[str, Any]:
        """`{status, version, …}`; needs no token."""
        return self._transport.get("/health")

    def me(self) -> dict[str, Any]:
        """`{principal, scopes, roles}` of the token."""
        return self._transport.get("/me")

    def openapi(self) -> dict[str, Any]:
        """The API and what is deployed, as far as the token may see it, in OpenAPI 3.1."""
        return self._transport.get("/openapi.json")

    def asyncapi(self) -> dict[str, Any]:
        """The streams of the mesh, as far as the token may see them, in AsyncAPI 3.1."""
        return self._transport.get("/asyncapi.json")

    def lineage(self, node: str, **query: Any) -> dict[str, Any]:
        """`{nodes, edges}` around a product, port, process or event. `query`: direction (up, down, both), depth, at,
        event."""
        return self._transport.get("/lineage", {"node": node, **query})

    def backup(self, path: str) -> dict[str, Any]:
        """`{path, files, size_bytes}`: a copy of everything, written to a folder of the server's machine."""
        return self._transport.post("/backup", {"path": path}, timeout_s=3600.0)

    def doctor(self) -> list[dict[str, Any]]:
        """`{name, in_force, detail, fix}` of each protection and limit."""
        return self._transport.items("/doctor")

    def nodes(self) -> list[dict[str, Any]]:
        """`{id, url, roles, version, is_owner}` of each node that shares the log."""
        return self._transport.items("/nodes")

    def metrics(self) -> str:
        """The metrics of the node that answers, in Prometheus' text format."""
        return str(self._transport.send("GET", "/metrics").value())

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
