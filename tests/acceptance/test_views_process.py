"""The process that keeps the views may die at any time: nothing is lost, nobody waits in vain."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from server import Server


def views_process(server: Server) -> int:
    """The process that keeps the views of a server."""
    for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if "hansa.bootstrap.views" in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    raise AssertionError("there is no process that keeps the views")


def test_views_go_on_in_a_new_process(own: Server) -> None:
    first = views_process(own)
    own.call("PUT", "/lab/bench/numbers", [{"name": "a", "value": 2}])
    os.kill(first, signal.SIGKILL)
    for n in range(20):
        own.call("POST", "/lab/bench/sums", {"left": n})
    own.call("PUT", "/lab/bench/numbers", [{"name": "b", "value": 3}])
    assert len(own.runs(process="add")) == 20
    assert own.until(lambda: own.http.get("/ports/lab.bench/squares@1/lookup", params={"name": "b"}).status_code == 200)
    assert views_process(own) != first


def test_it_ends_with_its_server(own: Server) -> None:
    keeper = views_process(own)
    own.kill()
    assert own.until(lambda: not Path(f"/proc/{keeper}").exists() or "Z" in Path(f"/proc/{keeper}/stat").read_text())
    own.start()
    assert views_process(own) != keeper
