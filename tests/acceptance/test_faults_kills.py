"""`kill -9` of server, zygotes and workers, torn writes and flushes that fail, at two hundred points: every
acknowledged run, record and event is there afterwards, none twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from audit import RECEIPTS, SALES, Books, audit, audit_views
from faults import live, lives
from ledger import Ledger, selling
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"
CALLERS = 5
REST_S, STAYS_S = 60.0, 1.0


def come_to_rest(server: Server) -> None:
    """Waits until every accepted run is over, every order is sold and the books have what the till sold, and stays so:
    views show what was written a moment ago a moment later."""

    stands: list[object] = []
    since = [time.monotonic()]

    def rests() -> bool:
        unfinished = [*server.runs(state="accepted"), *server.runs(state="running")]
        ends = [server.http.get(f"/ports/{port}").json()["bounds"]["0"]["end"] for port in (SALES, RECEIPTS)]
        orders = [total(server, "name=ordered"), total(server, "name=sold and process=sell_orders")]
        stood, stands[:] = [*stands], [[run["id"] for run in unfinished], ends, orders]
        if stands != stood or unfinished or ends[0] != ends[1] or orders[0] != orders[1]:
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > STAYS_S

    assert server.until(rests, REST_S), f"it did not come to rest: {stands}"


def total(server: Server, query: str) -> int:
    """How many events there are."""
    found: int = server.http.get("/events", params={"q": query, "limit": 1}).json()["total"]
    return found


def assert_well(findings: list[str]) -> None:
    assert not findings, "\n".join([f"{len(findings)} findings", *findings[:40]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_fifty_kills_lose_and_double_nothing(tmp_path: Path, shim: Path, seed: int) -> None:
    chance = random.Random(seed)
    ledger = Ledger()
    with running(tmp_path / "data") as server:
        for product in ("till", "books"):
            server.deploy(PRODUCTS / product, f"shop.{product}")
        with selling(server, ledger, CALLERS):
            server.kill()
            kills = sum(live(server, life, chance) for life in lives(chance, shim))
        server.start()
        server.http.post("/triggers/shop.till:sell_on_time/0/pause").raise_for_status()
        come_to_rest(server)
        server.stop()
        books = Books(tmp_path / "data")
        server.start()
        assert_well([*audit(books, ledger), *audit_views(server, books)])
    assert kills >= 45
    assert len(ledger.acknowledged) > 200
