"""What is kept and what is forgotten: views, and persons."""

from __future__ import annotations

from typing import Any, Final

from hansa.client.transport import Transport

LONG_S: Final = 3600.0


class Views:
    """`/views`: what is made of the log, and can be made anew."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """`{name, kind, version, cursor, behind, unit, error}` of every view and lookup."""
        return self._transport.items("/views")

    def rebuild(self, name: str, *, partial: bool = False, wait_s: float = 300.0) -> dict[str, Any]:
        """Builds it anew from the log and waits for it: `rebuilt` is False where it takes longer than `wait_s` (at most
        300) and goes on. `partial` accepts to lose what the log has no longer."""
        query = {"wait_s": wait_s}
        return self._transport.post(f"/views/{name}/rebuild", {"partial": partial}, query, timeout_s=wait_s + 60)


class Persons:
    """`/forget`: what there is of a person, and taking it away."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, subject: str, product: str | None = None) -> dict[str, Any]:
        """What forgetting would take, `{records, runs, events, unfinished, states}`, and what it would leave,
        `{elsewhere, left}`. Nothing is done."""
        return self._transport.post("/forget", {"subject": subject, "product": product}, timeout_s=LONG_S)

    def forget(self, subject: str, product: str | None = None) -> dict[str, Any]:
        """Takes it: for good, and shown by every view when this returns."""
        body = {"subject": subject, "product": product, "confirm": True}
        return self._transport.post("/forget", body, timeout_s=LONG_S)
