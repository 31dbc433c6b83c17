"""Stores that rot: damage is found and said, never read as truth; what can be made again is made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server

PRODUCTS = Path(__file__).parent / "products"
EMITTED = "name=number.put"


@pytest.fixture
def stopped(tmp_path: Path) -> Server:
    """A server with records and runs that has been stopped: its files may be damaged before it is started again."""
    server = Server(tmp_path / "data")
    server.deploy(PRODUCTS / "lab", "lab.bench")
    for number in range(1, 40):
        server.call("PUT", "/lab/bench/numbers", [{"name": f"number {number}", "value": number}]).raise_for_status()
    server.until(lambda: len(server.records("lab.bench/squares@1")) == 38)  # 13 is refused
    server.stop()
    return server


@pytest.fixture
def damaged(stopped: Server) -> Iterator[Server]:
    """The same; whatever the test starts is ended."""
    yield stopped
    if stopped.process.poll() is None:
        stopped.stop()


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 0x55
    file.write_bytes(bytes(data))


def place_of_batch(log: Path, topic: str, base: int) -> int:
    """Where in the file the body of a batch stands."""
    connection = sqlite3.connect(log)
    query = "SELECT body FROM batch JOIN topic ON topic.id = batch.topic WHERE topic.name = ? AND base = ?"
    (body,) = connection.execute(query, (topic, base)).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return log.read_bytes().index(body) + len(body) - 5


def spoil_first_page(file: Path, name: str) -> None:
    """Overwrites the first page of one table or index with noise."""
    connection = sqlite3.connect(file)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(file.read_bytes())
    data[(root - 1) * size : root * size] = b"\xa5" * size
    file.write_bytes(bytes(data))


def spoil(file: Path, *, but_first: bool = True) -> None:
    """Overwrites the pages of a store with noise, without its first where that is to be readable."""
    connection = sqlite3.connect(file)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = file.read_bytes()
    keep = size if but_first else 0
    file.write_bytes(data[:keep] + b"\xa5" * (len(data) - keep))


def in_time(server: Server, path: str, **query: Any) -> dict[str, Any]:
    """The answer, as soon as there is one."""
    answer = server.until(lambda: (found := server.http.get(path, params=query)).status_code == 200 and found)
    assert answer, server.http.get(path, params=query).text
    found: dict[str, Any] = answer.json()
    return found


def problem(server: Server, path: str) -> dict[str, Any]:
    answer = server.http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    return {**answer.json(), "status": answer.status_code}


def test_a_damaged_batch_is_said_and_the_rest_goes_on(damaged: Server) -> None:
    log = damaged.data / "log.db"
    flip(log, place_of_batch(log, "lab.bench/numbers@1", 19))
    damaged.start()
    told = problem(damaged, "/ports/lab.bench/numbers@1/records?limit=1000")
    assert (told["status"], told["code"]) == (500, "log.damaged")
    assert "lab.bench/numbers@1[0] position 19" in told["detail"]
    assert told["hint"]
    assert len(damaged.records("lab.bench/squares@1")) == 38
    assert damaged.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    doctor = {item["name"]: item for item in damaged.http.get("/doctor").json()["items"]}
    assert not doctor["log"]["in_force"]
    assert "position 19" in doctor["log"]["detail"]


def test_a_damaged_page_of_the_log_is_said(damaged: Server) -> None:
    spoil(damaged.data / "log.db")
    with pytest.raises(AssertionError, match=r"log\.damaged"):
        damaged.start()


@pytest.mark.parametrize("but_first", [True, False])
def test_damaged_views_are_made_again_from_the_log(damaged: Server, but_first: bool) -> None:
    damaged.start()
    events, runs = damaged.events(EMITTED), damaged.runs(process="put")
    damaged.stop()
    spoil(damaged.data / "views.db", but_first=but_first)
    damaged.start()
    assert in_time(damaged, "/events", q=EMITTED, limit=1000)["items"] == events
    assert in_time(damaged, "/runs", process="put", limit=1000)["items"] == runs
    assert "was damaged" in damaged.output.read_text()
    assert (damaged.data / "views.db.damaged").exists()


def test_views_whose_damage_only_a_reader_finds_are_made_again(damaged: Server) -> None:
    damaged.start()
    said = {"process": "lab.bench:square", "text": "bad luck"}
    runs = in_time(damaged, "/runs", **said)["items"]
    assert len(runs) == 1
    damaged.stop()
    spoil_first_page(damaged.data / "views.db", "run_text")
    damaged.start()
    first = damaged.http.get("/runs", params=said)
    assert (first.status_code, first.json()["code"]) == (503, "view.damaged")
    assert first.headers["retry-after"]
    assert first.json()["hint"]
    assert in_time(damaged, "/runs", **said)["items"] == runs


def test_a_damaged_lookup_is_made_again_from_the_log(damaged: Server) -> None:
    for file in (damaged.data / "lookups").glob("*/lookup.db"):
        spoil(file)
    damaged.start()
    found = in_time(damaged, "/ports/lab.bench/numbers@1/lookup", name="number 7")
    assert found["record"] == {"name": "number 7", "value": 7}
    again = damaged.call("PUT", "/lab/bench/numbers", [{"name": "number 7", "value": 70}])
    assert again.json()["before"] == 7


def test_a_damaged_registry_is_said(damaged: Server) -> None:
    spoil(damaged.data / "registry.db")
    with pytest.raises(AssertionError, match=r"registry\.db.*store\.damaged.*hansa restore"):
        damaged.start()
