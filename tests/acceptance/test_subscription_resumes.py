"""A run of a subscription goes on behind its last step: after a crash, and in the next revision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from server import Server, running

MANIFEST = """apiVersion: v1.1.0
kind: DataProduct
id: lab.slow
name: slow
version: 1.0.0
status: active
domain: lab
"""
SOURCE = """
import os
import time
from typing import Any

from hansa import DataProduct, Retry, on, reply

product = DataProduct(__file__)


@product.logic
def first(event: dict[str, Any]) -> list[int]:
    return [os.getpid(), event["payload"]["n"]]


@product.logic
def second(made: list[int]) -> dict[str, int]:
    time.sleep(SLEEP_S)
    if FAILS:
        raise ValueError("not yet")
    return {"first": made[0], "second": os.getpid(), "n": made[1]}


product.process(
    "work", first, second, reply, on=on.event("go", start="earliest"), durability="step",
    retry=Retry(attempts=5, delay_s=1.5, factor=1),
)
"""


def folder(path: Path, sleep_s: float, *, fails: bool = False) -> Path:
    shutil.rmtree(path / "slow", ignore_errors=True)
    made = path / "slow"
    made.mkdir()
    (made / "product.yaml").write_text(MANIFEST)
    (made / "product.py").write_text(SOURCE.replace("SLEEP_S", str(sleep_s)).replace("FAILS", str(fails)))
    return made


def emit(server: Server, n: int) -> None:
    server.call(
        "POST", "/events", {"id": str(n), "source": "a test", "type": "go", "data": {"n": n}}
    ).raise_for_status()


def result(server: Server) -> tuple[str, dict[str, int]]:
    (run,) = server.until(lambda: server.runs(process="work", state="succeeded"))
    return run["id"], server.http.get(f"/runs/{run['id']}").json()["result"]


def test_a_run_of_a_subscription_resumes_behind_its_last_step_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.deploy(folder(tmp_path, 2.0), "lab.slow")
        emit(server, 1)
        server.until(lambda: journalled(server))
        server.kill()
        server.start()
        emit(server, 2)  # it came later, and belongs to a later batch
        _, made = result(server)
        assert (made["n"], made["first"] != made["second"]) == (1, True)
        assert server.until(lambda: len(server.runs(process="work", state="succeeded")) == 2)


@pytest.mark.parametrize("how", ["a deployment", "a restart"])
def test_a_run_that_waits_for_its_next_attempt_is_the_same_behind(tmp_path: Path, how: str) -> None:
    with running(tmp_path / "data") as server:
        server.deploy(folder(tmp_path, 0.0, fails=True), "lab.slow")
        emit(server, 1)
        (before,) = server.until(lambda: [r for r in server.runs(process="work") if r["state"] == "accepted"])
        if how == "a restart":
            server.kill()
            server.start()
        server.deploy(folder(tmp_path, 0.0), "lab.slow")
        run, made = result(server)
        assert (run, made["n"]) == (before["id"], 1)
        assert made["first"] != made["second"]
        assert [r["state"] for r in server.runs(process="work")] == ["succeeded"]


def journalled(server: Server) -> bool:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{server.data / 'log.db'}?mode=ro", uri=True)) as db:
        return bool(db.execute("SELECT COUNT(*) FROM state WHERE scope = '_steps'").fetchone()[0])
