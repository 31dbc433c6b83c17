"""A full disk: reading goes on, writing is answered 503 with Retry-After, and when there is space again everything goes
on by itself, with nothing lost and nothing twice."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
from faults import failing
from server import running

PRODUCTS = Path(__file__).parent / "products"
LAB = "/lab/bench"


def assert_full(answer: httpx.Response, code: str = "log.full") -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"]
    assert "space" in answer.json()["hint"]


def test_a_full_disk(tmp_path: Path, shim: Path) -> None:
    full = tmp_path / "full"
    with running(tmp_path / "data", environment=failing(shim, HANSA_FULL=full)) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        server.call("PUT", f"{LAB}/numbers", [{"name": "before", "value": 2}]).raise_for_status()
        server.until(lambda: server.records("lab.bench/squares@1"))
        later = {"prefer": "respond-async"}
        load = server.call("POST", f"{LAB}/load", params={"count": 3000}, headers=later).json()["run"]
        slow = server.call("POST", f"{LAB}/misbehave", {"seconds": 0.5}, params={"how": "slow"}, headers=later).json()
        server.until(lambda: len(server.records("lab.bench/numbers@1")) > 20)
        full.touch()

        time.sleep(0.1)
        assert_full(server.call("POST", f"{LAB}/sums", {"left": 1}))
        assert_full(server.call("POST", f"{LAB}/later", {"left": 1}))
        assert_full(server.call("POST", f"{LAB}/steps", {"n": 1}))
        assert_full(server.call("PUT", f"{LAB}/numbers", [{"name": "refused", "value": 3}]))
        assert_full(server.call("POST", "/events", {"id": "1", "source": "a test", "type": "refused"}))
        assert_full(server.call("POST", "/domains", {"name": "refused"}), "store.full")
        assert server.records("lab.bench/squares@1")[0] == {"name": "before", "value": 4}
        assert server.http.get("/products/lab.bench").status_code == 200
        assert server.http.get(f"/runs/{load}/result").status_code == 202
        for history in ("/runs", "/events"):
            answer = server.http.get(history, timeout=5)
            assert answer.status_code == 200, answer.text
            assert "behind" in answer.json()
        lineage = server.http.get("/lineage", params={"node": "lab.bench/squares@1"}, timeout=5)
        assert lineage.status_code == 200, lineage.text
        assert "behind" in lineage.json()
        time.sleep(1.0)
        held = len(server.records("lab.bench/numbers@1"))
        assert held < 3000

        full.unlink()
        assert server.call("POST", f"{LAB}/sums", {"left": 1}).status_code == 201
        assert server.call("POST", "/events", {"id": "1", "source": "a test", "type": "refused"}).status_code == 202
        assert server.call("POST", "/domains", {"name": "refused"}).status_code == 201
        for run, result in ((load, {"chunks", "records", "position"}), (slow["run"], {"slept"})):
            done = server.until(lambda r=run: (a := server.http.get(f"/runs/{r}/result")).status_code == 200 and a)
            assert set(done.json()) == result
        names = [record["name"] for record in server.records("lab.bench/numbers@1")]
        assert names == ["before", *[f"chunk {number}" for number in range(1, 3001)]]
        assert server.until(lambda: server.http.get("/health").json()["status"] == "ok")
        squares = server.until(lambda: len(s := server.records("lab.bench/squares@1")) == 3000 and s, 40)
        assert len({record["name"] for record in squares}) == 3000
