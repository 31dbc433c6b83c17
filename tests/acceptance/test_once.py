"""`once()` fires for each revision that it comes with, or is changed by; a pause stays with its trigger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from server import Server

YAML = """apiVersion: v1.1.0
kind: DataProduct
id: lab.morning
name: Morning
version: 1.0.0
status: active
domain: lab
"""
SOURCE = """from hansa import DataProduct, manual, once, reply, schedule

product = DataProduct(__file__)


@product.logic
def begin(payload: object) -> object:
    return [VERSION, payload]


product.process("begin", begin, reply, on=TRIGGERS)
"""


def deploy(server: Server, folder: Path, version: int, triggers: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "product.yaml").write_text(YAML)
    (folder / "ports.py").write_text("")
    text = SOURCE.replace("VERSION", str(version)).replace("TRIGGERS", triggers)
    (folder / "product.py").write_text(text)
    return str(server.deploy(folder, "lab.morning")["revision"])


def fired(server: Server, count: int) -> list[Any]:
    """The results of the runs that `once()` has started, when there are so many and nothing is under way."""

    def found() -> list[Any]:
        runs = server.runs(product="lab.morning", trigger="once")
        return [run for run in runs if run["state"] == "succeeded"]

    server.until(lambda: len(found()) >= count)
    return sorted(server.http.get(f"/runs/{run['id']}").json()["result"] for run in found())


def test_once_fires_for_each_revision_that_brings_or_changes_it(own: Server, tmp_path: Path) -> None:
    folder = tmp_path / "morning"
    first = deploy(own, folder, 1, "once(payload='a')")
    assert fired(own, 1) == [[1, "a"]]
    deploy(own, folder, 2, "[manual(), once(payload='a')]")
    deploy(own, folder, 3, "once(payload='b')")
    assert fired(own, 2) == [[1, "a"], [3, "b"]]
    own.call("POST", "/products/lab.morning/rollback", {"to": first}).raise_for_status()
    own.kill()
    own.start()
    deploy(own, folder, 4, "manual()")
    deploy(own, folder, 5, "once(payload='b')")
    assert fired(own, 3) == [[1, "a"], [3, "b"], [5, "b"]]


def test_a_pause_stays_with_its_schedule_wherever_that_stands(own: Server, tmp_path: Path) -> None:
    folder = tmp_path / "morning"

    def paused() -> dict[str, bool]:
        items = own.http.get("/schedules").json()["items"]
        return {item["explained"].partition(".")[0]: item["paused"] for item in items if "morning" in item["process"]}

    deploy(own, folder, 1, "[schedule.every('1h'), schedule.every('2h')]")
    own.call("POST", "/triggers/lab.morning:begin/1/pause").raise_for_status()
    assert paused() == {"Every hour": False, "Every 2 hours": True}
    deploy(own, folder, 1, "[schedule.every('2h'), manual(), schedule.every('1h')]")
    own.kill()
    own.start()
    assert paused() == {"Every hour": False, "Every 2 hours": True}
    own.call("POST", "/triggers/lab.morning:begin/0/resume").raise_for_status()
    assert paused() == {"Every hour": False, "Every 2 hours": False}
    assert own.call("POST", "/triggers/lab.morning:begin/7/pause").json()["code"] == "trigger.unknown"
