"""The ledger of a till (`tests/acceptance/products/till`): callers sell in every way that a run can begin, again and
again until they are told that it is done, and keep what they were told. `audit.py` compares it with what is there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from server import Server

PARTS = 3
"""Chunks of a load."""
ROUTES = {"sync": "sync", "async": "async", "steps": "steps", "chunks": "chunks", "chunks later": "chunks"}
KINDS = (*ROUTES, "order")
PASSING = frozenset((500, 502, 503, 504))
"""What a caller may be told while processes die; anything else that is no success is strange."""


@dataclass
class Ledger:
    """What callers were told, by sale: the run where there is one. `done` sales were told to be over, `accepted` ones
    will be. `strange` holds answers that no fault explains, `codes` how often each problem was told."""

    done: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def told(self, kind: str, sale: str, answer: httpx.Response) -> bool:
        """Enters an answer; True where the sale is acknowledged."""
        run = answer.headers.get("hansa-run", "")
        if answer.status_code == 200 and kind in ("sync", "steps", "chunks"):
            self.done[sale] = run
        elif answer.status_code == 202 and kind in ("async", "chunks later", "order"):
            self.accepted[sale] = run
        else:
            self._refused(kind, sale, answer)
            return False
        return True

    def _refused(self, kind: str, sale: str, answer: httpx.Response) -> None:
        problem: dict[str, Any] = answer.json()
        code = problem.get("code", str(answer.status_code))
        self.codes[code] = self.codes.get(code, 0) + 1
        if answer.status_code not in PASSING and answer.status_code != 202:
            self.strange.append(f"{kind} {sale}: {answer.status_code} {answer.text}")

    @property
    def acknowledged(self) -> dict[str, str]:
        return {**self.done, **self.accepted}


def sells_on(ledger: Ledger, count: int, timeout_s: float = 60.0) -> bool:
    """Waits until so many more sales are acknowledged; False where that takes too long."""
    goal, end = len(ledger.acknowledged) + count, time.monotonic() + timeout_s
    while len(ledger.acknowledged) < goal and time.monotonic() < end:
        time.sleep(0.02)
    return len(ledger.acknowledged) >= goal


def ids(sale: str) -> list[str]:
    """The ids of the records that a sale leads to: itself, or one for each part of a load."""
    return [f"{sale}/{part}" for part in range(1, PARTS + 1)] if sale.startswith("chunks") else [sale]


@contextmanager
def selling(server: Server, ledger: Ledger, callers: int, *, first: int = 0) -> Iterator[None]:
    """Callers, numbered from `first` on, that sell for the length of the block, wherever the server answers."""
    over = threading.Event()
    numbers = range(first, first + callers)
    threads = [threading.Thread(target=_sell, args=(server, ledger, caller, over)) for caller in numbers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _sell(server: Server, ledger: Ledger, caller: int, over: threading.Event) -> None:
    chance = random.Random(caller)
    number = 0
    while not over.is_set():
        kind = chance.choice(KINDS)
        number += 1
        _insist(server, ledger, kind, f"{kind} {caller}.{number}", over)


def _insist(server: Server, ledger: Ledger, kind: str, sale: str, over: threading.Event) -> None:
    """Sells until it is acknowledged, with one idempotency key."""
    while not over.is_set():
        try:
            if ledger.told(kind, sale, sell(server, kind, sale)):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)


def sell(server: Server, kind: str, sale: str) -> httpx.Response:
    """One call that sells."""
    headers = {"authorization": f"Bearer {server.token}", "idempotency-key": sale}
    if kind == "chunks later":
        headers["prefer"] = "respond-async"
    body: dict[str, Any] = {"id": sale, "parts": PARTS}
    path = f"/shop/till/{ROUTES[kind]}" if kind in ROUTES else "/events"
    if kind == "order":
        body = {"id": sale, "source": "a caller", "type": "ordered", "data": {"id": sale}}
    return httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=10, verify=False)
