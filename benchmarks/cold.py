"""How long functions-framework takes from the start of its process to the first right answer of a pandas function.

`python -m benchmarks.cold -n 10` prints the times as JSON. The environment is byte-compiled, the files are in the page
cache after the first start, which is not counted; the next start begins when the one before has ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from benchmarks.environment import SERVED
from benchmarks.peers.functions_framework import FunctionsFramework
from benchmarks.server import HOST, Server, ask, free_port
from benchmarks.workload import DELAYS, MEAN_DELAYS

DELAY_FUNCTION: Path = SERVED / "delay_function.py"
POLL_S = 0.001


def first_answer_s(start: Callable[[int], Server]) -> float:
    """Seconds from calling `start` with a port to the first right answer to `DELAYS` on it; the server is then ended.

    Raises `NotReady` when no right answer comes, and `ValueError` when a wrong one does.
    """
    port = free_port()
    started = perf_counter()
    server = start(port)
    try:
        server.wait_until(lambda: _answers(port), poll_s=POLL_S)
        return perf_counter() - started
    finally:
        server.stop()


def measure(peer: FunctionsFramework, times: int) -> list[float]:
    """The seconds of each of `times` cold starts, after one that is not counted; `peer` is installed already."""

    def start(port: int) -> Server:
        return peer.serve(DELAY_FUNCTION, "mean_delay", port)

    return [first_answer_s(start) for _ in range(times + 1)][1:]


def _answers(port: int) -> bool:
    status, value = ask(f"http://{HOST}:{port}/", DELAYS)
    if status != 200 or value != MEAN_DELAYS:
        raise ValueError(f"wrong answer: status {status}, {value!r} instead of {MEAN_DELAYS!r}")
    return True


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", "--times", type=int, default=5, help="cold starts to measure")
    options = parser.parse_args(argv)
    peer = FunctionsFramework()
    peer.install(lambda line: print(line, file=sys.stderr))
    seconds = measure(peer, options.times)
    in_ms = [round(value * 1000, 1) for value in seconds]
    print(json.dumps({"peer": peer.version(), "first_answer_ms": in_ms, "p50_ms": statistics.median(in_ms)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
