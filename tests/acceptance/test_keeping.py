"""What a server keeps, for how long, and that it is the only one that writes."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import httpx
import pytest
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"
SHORT_S = 1.5
OFTEN = {"HANSA_KEEP_EVERY_S": "0.1"}
SHORTLY = OFTEN | {"HANSA_KEEP_RUNS_DAYS": str(SHORT_S / 86_400), "HANSA_KEEP_EVENTS_DAYS": str(SHORT_S / 86_400)}
VISITS = "crm.people/visits@1"


def check(server: Server, name: str) -> dict[str, object]:
    return {item["name"]: item for item in server.http.get("/doctor").json()["items"]}[name]


def test_old_runs_and_events_go_and_dead_letters_stay(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment=SHORTLY) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        server.call("PUT", "/lab/bench/numbers", [{"name": "a", "value": 1}]).raise_for_status()
        dead = server.call("POST", "/lab/bench/sums", {"left": 5000}).headers["hansa-run"]
        old = server.call("POST", "/lab/bench/sums", {"left": 1}).headers["hansa-run"]
        assert server.http.get(f"/runs/{old}").status_code == 200
        server.until(lambda: server.events("name = number.put") and server.http.get(f"/runs/{dead}").json()["dead"])
        time.sleep(SHORT_S)
        for n in range(3):  # the last batch of a topic always stays
            server.call("PUT", "/lab/bench/numbers", [{"name": "b", "value": n}]).raise_for_status()
        assert server.until(lambda: server.http.get(f"/runs/{old}").status_code == 404)
        kept = server.http.get(f"/runs/{dead}").json()
        assert (kept["state"], kept["dead"], kept["payload"]["body"]) == ("failed", True, {"left": 5000})
        assert server.http.get("/runs", params={"dead": True}).json()["items"] != []
        assert server.until(lambda: len(server.events("name = number.put")) < 4)
        assert "runs (kept for " in str(check(server, "retention")["detail"])
        assert len(server.records("lab.bench/numbers@1")) == 4


def test_a_subscription_is_told_how_much_retention_took(tmp_path: Path) -> None:
    """The contract of the port promises its records for one second, and no longer."""
    with running(tmp_path / "data", environment=OFTEN) as server:
        server.deploy(PRODUCTS / "people", "crm.people")
        server.call("POST", "/triggers/crm.people:count/0/pause").raise_for_status()
        for n in range(5):
            server.call("POST", "/crm/people/visits", [{"number": n}]).raise_for_status()
        assert server.until(lambda: [r["number"] for r in server.records(VISITS)] == [4])
        server.call("POST", "/triggers/crm.people:count/0/resume").raise_for_status()
        (lost,) = server.until(lambda: server.runs(process="count", state="failed"))
        error = server.http.get(f"/runs/{lost['id']}").json()["error"]
        assert (error["code"], error["details"]["lost"]) == ("records.expired", 4)
        assert server.until(lambda: len(server.runs(process="count", state="succeeded")) == 1)
        server.kill()
        server.start()
        server.call("POST", "/crm/people/visits", [{"number": 9}]).raise_for_status()
        assert server.until(lambda: len(server.runs(process="count", state="succeeded")) == 2)
        assert len(server.runs(process="count", state="failed")) == 1


def test_of_two_servers_on_one_folder_only_the_later_commits(tmp_path: Path) -> None:
    """The locks of the folder are got around, as by a copy of its files on a share."""
    with running(tmp_path / "data") as first:
        first.deploy(PRODUCTS / "lab", "lab.bench")
        for name in ("lock", "views.lock"):
            (tmp_path / "data" / name).unlink()
        with running(tmp_path / "data") as second:
            assert second.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
            with contextlib.suppress(httpx.TransportError):  # it may have found out by itself
                late = first.call("POST", "/lab/bench/sums", {"left": 2})
                assert (late.status_code, late.json()["code"]) == (503, "log.fenced")
            assert first.process.wait(20) == 1
            assert "another Hansa has opened the data folder" in first.output.read_text()
            first.http.close()
            assert second.call("POST", "/lab/bench/sums", {"left": 4}).status_code == 201
            assert len(second.runs(process="add")) == 2


@pytest.mark.parametrize("view", ["runs", "lab.bench/numbers@1"])
def test_a_view_is_built_anew_while_others_call(own: Server, view: str) -> None:
    """Whoever looks up meanwhile gets an answer from before or after, never none; and nothing that came is missing."""
    for n in range(30):
        own.call("PUT", "/lab/bench/numbers", [{"name": f"n{n}", "value": n}]).raise_for_status()
    wrong: list[object] = []
    stop = threading.Event()

    def calls() -> None:
        n = 0
        while not stop.is_set():
            answer = own.call("PUT", "/lab/bench/numbers", [{"name": "n0", "value": n}])
            n += 1
            if answer.status_code != 200 or answer.json()["before"] is None:
                wrong.append(answer.text)

    caller = threading.Thread(target=calls)
    caller.start()
    for _ in range(5):
        done = own.call("POST", f"/views/{view}/rebuild")
        assert done.status_code == 200, done.text
    stop.set()
    caller.join()
    assert wrong == []
    runs = own.until(lambda: own.runs(process="put"))
    assert len(runs) == own.until(lambda: len(own.records("lab.bench/numbers@1")))
    standing = {item["name"]: item for item in own.http.get("/views").json()["items"]}
    assert standing[view]["error"] is None
    operations = own.http.get("/audit", params={"operation": "view.rebuilt"}).json()["items"]
    assert [(entry["target"], entry["actor"]) for entry in operations] == [(view, "admin")] * 5
