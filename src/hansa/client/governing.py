"""Who may do what, and who did: domains, people, tokens, the audit, schedules."""

from __future__ import annotations

from typing import Any

from hansa.client.transport import Transport
from hansa.errors import CallerError


class Domains:
    """`/domains` and the people in them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """Every domain."""
        return self._transport.items("/domains")

    def get(self, domain: str) -> dict[str, Any]:
        """One domain with its people."""
        return self._transport.get(f"/domains/{domain}")

    def create(self, name: str, *, description: str | None = None, owner: str | None = None) -> dict[str, Any]:
        """A new domain, or a change of one: what is None stays as it is. `outcome` of the answer says which: created,
        changed or unchanged."""
        return self._transport.post("/domains", {"name": name, "description": description, "owner": owner})

    def give_role(self, domain: str, person: str, role: str) -> dict[str, Any]:
        """`role` is owner, developer or consumer."""
        return self._transport.post(f"/domains/{domain}/roles", {"person": person, "role": role})

    def take_role(self, domain: str, person: str) -> dict[str, Any]:
        """The person has no role in the domain any more."""
        return self._transport.send("DELETE", f"/domains/{domain}/roles/{person}").object()


class People:
    """`/people`: accounts of people and of services."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """`{id, kind, name, contact, admin, roles}` of everyone who is known; `roles` is the role in each domain."""
        return self._transport.items("/people")

    def get(self, person: str) -> dict[str, Any]:
        """One of them."""
        return self._transport.get(f"/people/{person}")

    def add(
        self, person: str, *, name: str = "", contact: str = "", kind: str = "person", admin: bool = False
    ) -> dict[str, Any]:
        """A new account, or the new state of one; `person` is the id that the audit keeps. `kind` is person or
        service."""
        body = {"id": person, "name": name, "contact": contact, "kind": kind, "admin": admin}
        return self._transport.post("/people", body)

    def remove(self, person: str) -> dict[str, Any]:
        """The account is gone, with its name, contact, roles and tokens."""
        return self._transport.send("DELETE", f"/people/{person}").object()


class Tokens:
    """`/tokens`: keys of this API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """The tokens, without their secrets."""
        return self._transport.items("/tokens")

    def create(
        self,
        name: str,
        *,
        scopes: list[str],
        principal: str | None = None,
        products: list[str] | None = None,
        expires_days: float | None = None,
    ) -> dict[str, Any]:
        """`{id, token}`: the only time that the token is told."""
        body: dict[str, Any] = {"name": name, "scopes": scopes}
        more = {"principal": principal, "products": products, "expires_days": expires_days}
        body |= {field: value for field, value in more.items() if value is not None}
        return self._transport.post("/tokens", body)

    def revoke(self, token_id: str) -> dict[str, Any]:
        """The token is refused from now on."""
        return self._transport.send("DELETE", f"/tokens/{token_id}").object()


class Audit:
    """`/audit`: every operation, hash-chained."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, **query: Any) -> dict[str, Any]:
        """`{items, next}`. `query`: actor, operation, target, after, limit."""
        return self._transport.get("/audit", query)

    def verify(self) -> dict[str, Any]:
        """`{intact, first_bad}`: how many entries are as they were written, and the first that is not, or None."""
        return self._transport.get("/audit/verify")


class Schedules:
    """`/schedules`, and the pausing of triggers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """`{process, index, trigger, explained, next, last, paused}` of each schedule."""
        return self._transport.items("/schedules")

    def pause(self, process: str, index: int | None = None) -> dict[str, Any]:
        """The trigger at `index` of the process starts nothing until it is resumed; without an index, its only
        schedule. Raises `CallerError` (`schedule.unknown`, `schedule.ambiguous`)."""
        return self._transport.post(f"/triggers/{process}/{self._index(process, index)}/pause")

    def resume(self, process: str, index: int | None = None) -> dict[str, Any]:
        """The trigger starts runs again. Raises as `pause` does."""
        return self._transport.post(f"/triggers/{process}/{self._index(process, index)}/resume")

    def _index(self, process: str, index: int | None) -> int:
        if index is not None:
            return index
        found = [one["index"] for one in self.all() if one["process"] == process]
        if len(found) == 1:
            return int(found[0])
        if not found:
            raise CallerError("schedule.unknown", f"{process} has no schedule", hint="`hansa schedules` lists them.")
        known = ", ".join(map(str, found))
        hint = f"Say which one: --index {known.replace(', ', ' or ')}."
        raise CallerError("schedule.ambiguous", f"{process} has schedules at {known}", hint=hint)
