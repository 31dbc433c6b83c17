"""Callers that go away, send half of it, or send it slowly: their own loss, and nobody else's."""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
from pathlib import Path

import httpx
from faults import processes
from server import Server

BODY = json.dumps([{"name": "half", "value": 1}]).encode()


def connected(server: Server) -> socket.socket:
    address = urllib.parse.urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), 10)


def head(server: Server, method: str, path: str, length: int) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nhost: hansa\r\nauthorization: Bearer {server.token}\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def names(server: Server) -> list[str]:
    return [record["name"] for record in server.records("lab.bench/numbers@1")]


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_a_call_that_nobody_waits_for_is_done_all_the_same(bench: Server) -> None:
    with connected(bench) as caller:
        body = json.dumps([{"name": "left at once", "value": 1}]).encode()
        caller.sendall(head(bench, "PUT", "/lab/bench/numbers", len(body)) + body)
    assert bench.until(lambda: names(bench).count("left at once") == 1)
    slow = head(bench, "POST", "/lab/bench/misbehave?how=slow", 16) + b'{"seconds": 0.3}'
    with connected(bench) as caller:
        caller.sendall(slow)
        time.sleep(0.1)
    done = bench.until(lambda: [r for r in bench.runs(process="misbehave") if r["state"] == "succeeded"])
    assert done
    assert bench.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201


def test_half_a_body_starts_nothing(bench: Server) -> None:
    before = len(bench.runs(process="put"))
    for sent in (0, 1, len(BODY) // 2, len(BODY) - 1):
        with connected(bench) as caller:
            caller.sendall(head(bench, "PUT", "/lab/bench/numbers", len(BODY)) + BODY[:sent])
            time.sleep(0.02)
    time.sleep(0.2)
    assert "half" not in names(bench)
    assert len(bench.runs(process="put")) == before


def test_garbage_is_answered_and_the_connection_closed(bench: Server) -> None:
    with connected(bench) as caller:
        caller.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert caller.recv(1 << 16).startswith(b"HTTP/1.1 400")
    assert bench.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201


def test_slow_callers_hold_nobody_up(bench: Server) -> None:
    """A hundred callers that send a byte now and then; the others are answered as ever."""
    callers = [connected(bench) for _ in range(100)]
    try:
        request = head(bench, "PUT", "/lab/bench/numbers", len(BODY)) + BODY
        for at in range(20):
            for caller in callers:
                caller.sendall(request[at : at + 1])
        begun = time.monotonic()
        for _ in range(20):
            assert bench.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
        assert time.monotonic() - begun < 5
    finally:
        for caller in callers:
            caller.close()
    assert "half" not in names(bench)


def test_followers_that_are_cut_leave_nothing_behind(bench: Server) -> None:
    """Server-sent events: whoever comes back with the last id misses nothing and gets nothing twice."""
    before = descriptors(bench)
    seen: list[str] = []
    last = None
    for number in range(5):
        headers = {"last-event-id": last} if last else {}
        query = {"q": "name=followed"}
        with bench.http.stream("GET", "/events/follow", params=query, headers=headers) as followed:
            lines = followed.iter_lines()
            if last is None:
                emit(bench, "first")
            last = take_one(lines, seen)
        emit(bench, f"while away {number}")
    with bench.http.stream(
        "GET", "/events/follow", params={"q": "name=followed"}, headers={"last-event-id": last}
    ) as f:
        take_one(f.iter_lines(), seen)
    assert seen == ["first", *[f"while away {number}" for number in range(5)]]
    assert bench.until(lambda: descriptors(bench) <= before + 3)


def take_one(lines: object, seen: list[str]) -> str:
    """The id of the next event; its source is added to `seen`."""
    last = ""
    for line in lines:  # type: ignore[attr-defined]
        if line.startswith("id: "):
            last = line.removeprefix("id: ")
        elif line.startswith("data: "):
            seen.append(json.loads(line.removeprefix("data: "))["source"])
            return last
    raise AssertionError("the stream ended")


def emit(server: Server, source: str) -> None:
    event = {"id": f"followed {source} {time.time_ns()}", "source": source, "type": "followed"}
    server.http.post("/events", json=event).raise_for_status()


def test_workers_are_not_harmed_by_callers(bench: Server) -> None:
    before = set(processes(bench, "zygote"))
    for _ in range(20):
        with connected(bench) as caller:
            caller.sendall(head(bench, "POST", "/lab/bench/sums", 11) + b'{"left": 1}')
    assert bench.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    assert set(processes(bench, "zygote")) == before


def test_a_caller_that_gives_up_waiting_finds_the_result(bench: Server) -> None:
    headers = {"idempotency-key": "gave up"}
    slow = {"seconds": 0.4}
    try:
        bench.http.post("/lab/bench/misbehave", json=slow, params={"how": "slow"}, headers=headers, timeout=0.1)
    except httpx.ReadTimeout:
        pass
    else:
        raise AssertionError("it was answered in time")
    again = bench.http.post("/lab/bench/misbehave", json=slow, params={"how": "slow"}, headers=headers)
    assert again.json() == {"slept": 0.4}
    runs = [
        r for r in bench.runs(process="misbehave") if r["idempotency_key"] == "gave up" and r["state"] == "succeeded"
    ]
    assert len(runs) == 1
