"""Windows under kill -9: while they are filled, and while every write makes both versions. Nothing is lost, nothing is
there twice, and both versions stand side by side."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from audit import bodies, doubled, lacking
from server import Refused, Server, running
from versions import BOTH, ENTRIES, LEDGER, NEW, OLD, SCALE, ledger, scale

from hansa.eventlog.sqlite import SqliteLog
from hansa.lifecycle.filling import group_of

HISTORY, CALLS, KILLS = 30_000, 6, 3
SLOW = BOTH.replace("    return Weight(weight.id", "    time.sleep(2e-5)\n    return Weight(weight.id").replace(
    "\n", "import time\n", 1
)
LIVES = 6
WRITERS = 3


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


def versions(server: Server) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """The records of @1 and @2 in their order, from the file of a server that was stopped."""
    server.stop()
    log = SqliteLog(server.data)
    try:
        assert not list(log.verify())
        return list(bodies(log, OLD)), list(bodies(log, NEW))
    finally:
        log.stop()


def assert_side_by_side(old: list[dict[str, int]], new: list[dict[str, int]]) -> None:
    assert [(one["id"], one["kg"] * 1000) for one in old] == [(one["id"], one["grams"]) for one in new]


def test_a_fill_that_is_killed_goes_on_behind_its_last_chunk(own: Server, tmp_path: Path) -> None:
    chance = random.Random(4)
    own.deploy(scale(tmp_path / "one"), SCALE)
    for call in range(CALLS):
        part = {f"{call}.{n}": n for n in range(HISTORY // CALLS)}
        own.call("POST", "/yard/scale/weigh", part).raise_for_status()
    both = scale(tmp_path / "both", (1, 2), code=SLOW)
    filled = [0]
    for kill in range(KILLS):
        own.call("POST", "/yard/scale/weigh", {f"more.{kill}": kill}).raise_for_status()
        deploying = threading.Thread(target=_deploy, args=(own, both))
        deploying.start()
        time.sleep(chance.uniform(0.8, 1.2))
        own.kill()
        deploying.join()
        filled.append(position(own, OLD))
        own.start()
    assert filled == sorted(filled), "each goes on behind the one before"
    assert filled[0] < filled[-1] < HISTORY, "every kill met the fill"
    own.deploy(both, SCALE)
    own.call("POST", "/yard/scale/weigh", {"last": 1}).raise_for_status()
    old, new = versions(own)
    assert_side_by_side(old, new)
    assert len(old) == HISTORY + KILLS + 1
    assert not doubled("weight", [one["id"] for one in new])


def _deploy(server: Server, folder: Path) -> None:
    with contextlib.suppress(httpx.TransportError, json.JSONDecodeError, Refused):
        server.deploy(folder, SCALE)


def position(server: Server, older: str) -> int:
    """How far a fill has come, from the file of a server that was killed."""
    log = SqliteLog(server.data)
    try:
        return log.position(group_of(NEW), older, 0) or 0
    finally:
        log.stop()


def test_double_writes_stay_in_step_while_servers_are_killed_and_consumers_move(own: Server, tmp_path: Path) -> None:
    chance = random.Random(7)
    both = scale(tmp_path / "both", (1, 2))
    own.deploy(scale(tmp_path / "one"), SCALE)
    own.deploy(ledger(tmp_path / "ledger", 1, both), LEDGER)
    told: list[str] = []
    over = threading.Event()
    writers = [threading.Thread(target=_insist, args=(own, told, over, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(0.3)
    own.deploy(both, SCALE)
    for life in range(LIVES):
        time.sleep(chance.uniform(0.1, 0.5))
        own.kill()
        own.start()
        if life == LIVES // 2:
            own.deploy(ledger(tmp_path / "ledger2", 2, both), LEDGER)
    over.set()
    for writer in writers:
        writer.join()
    own.until(lambda: len(own.records(ENTRIES)) >= len(set(told)))
    entries = [record["id"] for record in own.records(ENTRIES)]
    old, new = versions(own)
    assert_side_by_side(old, new)
    ids = [one["id"] for one in new]
    assert not [*lacking("weights", ids, told), *doubled("weight", ids)]
    assert not [*lacking("entries", entries, ids), *doubled("entry", entries)]
    assert len(told) > LIVES


def _insist(server: Server, told: list[str], over: threading.Event, writer: int) -> None:
    """Weighs again and again until each weight is acknowledged, each with a key of its own."""
    number = 0
    while not over.is_set():
        number += 1
        name = f"{writer}.{number}"
        while True:
            headers = {"authorization": f"Bearer {server.token}", "idempotency-key": name}
            try:
                url = f"{server.url}/yard/scale/weigh"
                answer = httpx.post(url, json={name: number}, headers=headers, timeout=10)
                if answer.status_code == 200:
                    told.append(name)
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.02)
