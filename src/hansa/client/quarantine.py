"""Records that broke their contract and were set aside."""

from __future__ import annotations

from typing import Any

from hansa.client.runs import Started, started
from hansa.client.transport import Transport


class Quarantine:
    """`/quarantine`: list, correct, replay and discard them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, **query: Any) -> dict[str, Any]:
        """`{items, next}`, newest first. `query`: port, product, process, run, state (waiting, replayed, discarded,
        all; waiting unless given), text, since, limit, after (the `next` of the page before)."""
        return self._transport.get("/quarantine", query)

    def get(self, entry: str) -> dict[str, Any]:
        """One of them, with its reasons and its record as it stands now."""
        return self._transport.get(f"/quarantine/{entry}")

    def correct(self, entry: str, record: Any) -> dict[str, Any]:
        """Puts another record in its place."""
        return self._transport.post(f"/quarantine/{entry}/correct", {"record": record})

    def replay(self, entry: str, *, wait_s: float = 15.0) -> Started:
        """Checks it again and publishes it, once. Raises `contract.violated` where the contract is broken still."""
        path = f"/quarantine/{entry}/replay"
        return started(self._transport.send("POST", path, {"wait_s": wait_s}, timeout_s=wait_s + 30))

    def discard(self, entry: str, reason: str) -> dict[str, Any]:
        """It will not be published."""
        return self._transport.post(f"/quarantine/{entry}/discard", {"reason": reason})
