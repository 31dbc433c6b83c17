"""`kill -9` and restart: what was acknowledged is there, once; what was accepted is done."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import httpx
import pytest
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"
KILLS = 12


def test_everything_is_there_after_a_kill(own: Server) -> None:
    own.call("PUT", "/lab/bench/numbers", [{"name": "kept", "value": 6}])
    run = own.call("POST", "/lab/bench/sums", {"left": 1}).headers["hansa-run"]
    own.until(lambda: [r for r in own.records("lab.bench/squares@1") if r["name"] == "kept"])
    revision = own.call("GET", "/products/lab.bench").json()["revision"]
    own.kill()
    own.start()
    assert own.http.get(f"/runs/{run}").json()["result"]["sum"] == 2
    assert own.call("GET", "/products/lab.bench").json()["revision"] == revision
    assert own.records("lab.bench/squares@1") == [{"name": "kept", "value": 36}]
    assert own.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    assert len(own.runs(process="first")) == 1


def test_an_accepted_run_is_done_after_a_kill(own: Server) -> None:
    accepted = [own.call("POST", "/lab/bench/later", {"left": n}).json()["run"] for n in range(20)]
    own.kill()
    own.start()
    for n, run in enumerate(accepted):
        result = own.until(lambda r=run: (a := own.http.get(f"/runs/{r}/result")).status_code == 200 and a)
        assert result.json() == {"sum": n + 1}


def test_a_load_resumes_behind_its_last_chunk(own: Server) -> None:
    answer = own.call("POST", "/lab/bench/load", params={"count": 400}, headers={"prefer": "respond-async"})
    own.until(lambda: len(own.records("lab.bench/numbers@1")) > 20)
    own.kill()
    own.start()
    own.until(lambda: own.http.get(f"/runs/{answer.json()['run']}/result").status_code == 200)
    values = [r["value"] for r in own.records("lab.bench/numbers@1")]
    assert values == list(range(1, 401))


def test_a_worker_that_is_killed_comes_back(own: Server) -> None:
    answer = own.call("POST", "/lab/bench/misbehave", {}, params={"how": "os_exit"})
    assert answer.status_code == 500
    begun = time.monotonic()
    assert own.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    assert time.monotonic() - begun < 5


def test_two_servers_on_one_folder(own: Server, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"store.locked"):
        Server(tmp_path / "data")


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    """Callers count with idempotency keys while the server is killed again and again at random moments."""
    rng = random.Random(17)
    acknowledged: dict[str, int] = {}
    stop = threading.Event()
    lock = threading.Lock()

    with running(tmp_path / "data") as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")

        def call(caller: int) -> None:
            number = 0
            while not stop.is_set():
                key = f"{caller}-{number}"
                body = [{"name": key, "value": 1}]
                head = {"authorization": f"Bearer {server.token}", "idempotency-key": key}
                try:
                    with httpx.Client(base_url=server.url, headers=head, timeout=10, verify=False) as client:
                        answer = client.put("/lab/bench/numbers", json=body)
                except httpx.HTTPError:
                    time.sleep(0.02)
                    continue
                if answer.status_code == 200:
                    with lock:
                        acknowledged[key] = number
                    number += 1

        callers = [threading.Thread(target=call, args=(n,)) for n in range(6)]
        for caller in callers:
            caller.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.05, 0.6))
            server.kill()
            server.start()
        time.sleep(0.3)
        stop.set()
        for caller in callers:
            caller.join()
        names = [r["name"] for r in server.records("lab.bench/numbers@1")]
        assert len(acknowledged) > KILLS
        assert not acknowledged.keys() - set(names), "acknowledged and lost"
        assert len(names) == len(set(names)), "written twice"
        squares = server.until(lambda: len(s := server.records("lab.bench/squares@1")) >= len(names) and s, 30)
        assert sorted(r["name"] for r in squares) == sorted(names)
