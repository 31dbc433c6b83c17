"""Compositions in isolated workers: waiting overlaps, who is late is missing, what was journalled stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from server import Server, running

FLOWS = Path(__file__).parent / "products" / "flows"
ROOT = "/lab/flows"


class Meeting(BaseHTTPRequestHandler):
    """`/together/3` answers when three are there, `/pair` when two are, `/items/13` never well, `/never` not until the
    end; `/count` says how often it was asked."""

    together = threading.Barrier(3)
    pair = threading.Barrier(2)
    end = threading.Event()
    counted = 0

    def do_GET(self) -> None:
        status = 200
        if self.path in ("/together/3", "/pair"):
            try:
                (self.together if self.path == "/together/3" else self.pair).wait(5)
            except threading.BrokenBarrierError:
                status = 500
        elif self.path == "/never":
            self.end.wait(20)
        elif self.path == "/items/13":
            status = 404
        elif self.path == "/count":
            Meeting.counted += 1
        self.send_response(status)
        self.end_headers()
        self.wfile.write(str(self.counted if self.path == "/count" else self.path).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with `lab.flows`, whose connection leads to a `Meeting`."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Meeting)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    data = tmp_path_factory.mktemp("flows") / "data"
    data.mkdir()
    where = f"{{type: http, url: 'http://127.0.0.1:{listener.server_port}', allow: ['127.0.0.1']}}"
    (data / "connections.yaml").write_text(f"all:\n  meeting: {where}\n")
    with running(data) as server:
        server.deploy(FLOWS, "lab.flows")
        yield server
        Meeting.end.set()
    listener.shutdown()
    listener.server_close()


def test_branches_wait_at_the_same_time(flows: Server) -> None:
    answer = flows.call("POST", f"{ROOT}/meet", [4])
    assert answer.json() == {"left": "/together/3", "right": "/together/3", "doubled": 8}
    run = flows.run(answer)
    assert [(one["name"], one["state"]) for one in run["logic"]] == [
        (name, "succeeded") for name in ("start", "left", "right", "doubled", "reply")
    ]
    assert sorted(use[0] for use in run["uses"]) == ["doubled", "left", "right"]
    found = flows.until(lambda: [e for e in flows.events("name = 'flow.right'") if e["run"] == run["id"]])
    assert found[0]["seq"] == 2


def test_items_that_fail_are_left_out(flows: Server) -> None:
    answer = flows.call("POST", f"{ROOT}/items", [1, 13, *range(2, 10)])
    assert answer.json() == [f"/items/{number}" for number in range(1, 10)]
    (fetch, _) = flows.run(answer)["logic"]
    assert (fetch["state"], fetch["error"][:23]) == ("succeeded", "1 of 10 items were left")


def test_who_is_late_is_missing_and_the_worker_goes_on(flows: Server) -> None:
    answer = flows.call("POST", f"{ROOT}/late", [1])
    assert answer.json() == [["soon"], None, None]
    states = {one["name"]: one["state"] for one in flows.run(answer)["logic"]}
    assert states == {"patient": "failed", "soon": "succeeded", "left": "failed", "present": "succeeded"}
    run = flows.run(answer)["id"]
    assert flows.until(lambda: [e["payload"] for e in flows.events("name = 'flow.late'") if e["run"] == run]) == [
        "branch.late"
    ]
    Meeting.together.reset()
    assert flows.call("POST", f"{ROOT}/items", [1, 2]).json() == ["/items/1", "/items/2"]


def test_what_a_branch_has_journalled_stands_when_the_worker_dies(flows: Server) -> None:
    answer = flows.call("POST", f"{ROOT}/steps", [5, 6])
    assert answer.json() == {"count": 1, "same": [5, 6]}
    run = flows.run(answer)
    assert run["attempt"] == 2
    counted = flows.until(lambda: [e for e in flows.events("name = 'flow.counted'") if e["run"] == run["id"]])
    assert len(counted) == Meeting.counted == 1


def test_loads_that_share_state_each_go_on_behind_their_last_chunk(flows: Server) -> None:
    runs = [flows.call("POST", f"{ROOT}/load").json()["run"] for _ in range(2)]

    def ended() -> list[str]:
        states = [flows.http.get(f"/runs/{run}").json()["state"] for run in runs]
        return [state for state in states if state not in ("accepted", "running")]

    assert flows.until(lambda: len(ended()) == 2 and ended()) == ["succeeded", "succeeded"]
    told = flows.until(lambda: (found := flows.events("name = 'flow.tallied'")) and len(found) == 6 and found)
    assert sorted(event["payload"] for event in told) == [2, 4, 6, 8, 10, 12]
