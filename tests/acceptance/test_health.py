"""Health as probes ask for it, the end of a node as they see it, and output as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from server import Server, running


def test_a_server_is_live_and_ready_and_needs_no_token(bench: Server) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        answer = bench.call("GET", path, headers={"authorization": ""})
        assert (answer.status_code, answer.json()["status"]) == (200, "ok"), path


def test_a_node_that_ends_is_not_ready_first_and_serves_on_until_it_is_drained(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"HANSA_DRAIN_S": "1.5"}) as server:
        server.process.send_signal(signal.SIGTERM)
        ready = server.until(lambda: (found := server.call("GET", "/health/ready")).status_code == 503 and found)
        assert ready.json() == {"status": "unready", "problems": ["This node ends"]}
        assert ready.headers["retry-after"] == "1"
        assert server.call("GET", "/products").status_code == 200
        assert server.call("GET", "/health/live").status_code == 200
        assert "hansa_draining 1.0" in server.call("GET", "/metrics").text
        assert server.process.wait(20) == 0
        server.stop()


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"HANSA_DRAIN_S": "600"}) as server:
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: server.call("GET", "/health/ready").status_code == 503)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        server.stop()


def test_each_line_of_output_is_an_object_where_that_is_asked_for(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "hansa"), "up", "--data", str(tmp_path / "data"), "--port", "0"]
    environment = {**os.environ, "HANSA_OUTPUT": "json"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as server:
        assert server.stdout is not None
        try:
            begins, answers = (json.loads(server.stdout.readline()) for _ in range(2))
            refused = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
        finally:
            server.terminate()
        rest = server.stdout.read().decode()
    assert begins["message"].startswith("Starting on ")
    assert answers["message"].startswith("Hansa answers at http://")
    assert (answers["level"], answers["logger"]) == ("info", "hansa")
    assert rest == ""
    last = [json.loads(line) for line in (refused.stdout + refused.stderr).splitlines()][-1]
    assert (refused.returncode, last["level"], last["code"]) == (1, "error", "store.locked")
    assert last["hint"]
