"""Ctrl-C and SIGTERM: what is at work is finished and answered, what was accepted goes on behind the next start."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest
from faults import processes
from server import Server

LATER = {"prefer": "respond-async"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_graceful(own: Server, how: signal.Signals) -> None:
    answers: list[Any] = []

    def call() -> None:
        answers.append(own.call("POST", "/lab/bench/misbehave", {"seconds": 0.6}, params={"how": "slow"}))

    accepted = own.call("POST", "/lab/bench/load", params={"count": 2000}, headers=LATER).json()["run"]
    zygotes = list(processes(own, "zygote"))
    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(0.2)
    begun = time.monotonic()
    os.killpg(own.process.pid, how)  # a Ctrl-C goes to all processes of the terminal
    code = own.process.wait(20)
    caller.join()
    assert time.monotonic() - begun < 15
    assert code == 0
    assert [answer.json() for answer in answers] == [{"slept": 0.6}]
    assert "Traceback" not in own.output.read_text()
    assert own.until(lambda: not [z for z in zygotes if is_alive(z)])
    own.http.close()
    own.start()
    done = own.until(lambda: (a := own.http.get(f"/runs/{accepted}/result")).status_code == 200 and a, 60)
    assert done.json()["position"] == 2000
    numbers = [record["value"] for record in own.records("lab.bench/numbers@1")]
    assert numbers == list(range(1, 2001))


def is_alive(pid: int) -> bool:
    from pathlib import Path

    return Path(f"/proc/{pid}").exists()
