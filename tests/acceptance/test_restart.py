"""`kill -9` and restart: what was acknowledged is there, once; what was accepted is done."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from server import Server


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


def test_what_is_live_is_served_though_its_files_would_be_refused_today(own: Server) -> None:
    (folder,) = (own.data / "revisions").iterdir()
    own.stop()
    for written in (folder / "product.yaml", *folder.glob("contracts/*.yaml")):
        written.write_text("apiVersion: v99.0.0\nkind: of a time to come\n")
    own.start()
    assert own.http.get("/health").json()["problems"] == []
    assert own.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    own.call("PUT", "/lab/bench/numbers", [{"name": "kept", "value": 6}]).raise_for_status()
    assert own.until(lambda: [r for r in own.records("lab.bench/squares@1") if r["name"] == "kept"])


def test_a_server_at_rest_whose_folder_another_one_took_says_so_and_ends(own: Server) -> None:
    own.kill()
    own.start(HANSA_KEEP_EVERY_S="0.5")
    (own.data / "lock").unlink()
    other = Server(own.data)
    try:
        assert own.process.wait(20) == 1
        assert "log.fenced" in own.output.read_text()
        assert other.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    finally:
        own.kill()
        other.stop()
