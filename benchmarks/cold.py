"""From a new version of a function that uses pandas to its first right answer: Hansa against functions-framework.

`python -m benchmarks.cold -n 10` prints the times as JSON. For Hansa the time begins when the deployment is sent and
covers all of it: bundle, check, isolation, registry and audit on disk, and the first call with its commit. Two Hansas
take part: one with a worker that waits (the default), one without, where a worker is forked from its zygote. For
functions-framework it begins when its process is started. All are measured in turns, after one that is not counted;
the peer is byte-compiled and its files are in the page cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.deployed import Deployed, deployed, version
from benchmarks.environment import SERVED, Say
from benchmarks.goals import Figures
from benchmarks.peers.functions_framework import FunctionsFramework
from benchmarks.server import HOST, Server, ask, free_port
from benchmarks.workload import DELAYS, MEAN_DELAYS

DELAY_FUNCTION: Path = SERVED / "delay_function.py"
PRODUCT = Path(__file__).parent / "products" / "delays"
POLL_S = 0.001
REST_S = 0.5
"""Between two versions, so that a worker waits again."""
TIMES = 15


@dataclass(frozen=True, slots=True)
class Colds:
    """Seconds to the first right answer, by contender."""

    peer: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)


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


def first_answer_of_version_s(hansa: Deployed, bundle: bytes) -> float:
    """Seconds from sending a new version to its first answer. Raises `ValueError` when that is a wrong one."""
    body = json.dumps(DELAYS).encode()
    started = perf_counter()
    hansa.deploy("bench.delays", bundle)
    status, answer = hansa.ask("/bench/delays/mean", body)
    took = perf_counter() - started
    _check(status, json.loads(answer))
    return took


def first_answers(times: int, say: Say) -> Colds:
    """Measures all contenders in turns, `times` each. Raises `Unavailable` where the peer cannot be installed."""
    peer, found = FunctionsFramework(), Colds()
    peer.install(say)
    with ExitStack() as running:
        warm = running.enter_context(deployed("hansa-cold-warm", HANSA_SPARES="1"))
        empty = running.enter_context(deployed("hansa-cold-empty", HANSA_SPARES="0"))
        for number in range(times + 1):
            turn = (
                (found.warm, lambda: first_answer_of_version_s(warm, version(PRODUCT, number))),  # noqa: B023
                (found.empty, lambda: first_answer_of_version_s(empty, version(PRODUCT, number))),  # noqa: B023
                (found.peer, lambda: first_answer_s(lambda port: peer.serve(DELAY_FUNCTION, "mean_delay", port))),
            )
            for seconds, once in turn:
                took = once()
                if number:
                    seconds.append(took)
                time.sleep(REST_S)
    return found


def measure(say: Say) -> Figures:
    """The medians, and how many times sooner than functions-framework Hansa answers. Raises as `first_answers` does."""
    say(f"cold starts: {TIMES} turns of a new version with pandas")
    found = first_answers(TIMES, say)
    peer, warm, empty = _p50_ms(found.peer), _p50_ms(found.warm), _p50_ms(found.empty)
    return {
        "warm_ms": warm,
        "empty_ms": empty,
        "functions_framework_ms": peer,
        "warm_gain": peer / warm,
        "empty_gain": peer / empty,
    }


def _p50_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def _answers(port: int) -> bool:
    _check(*ask(f"http://{HOST}:{port}/", DELAYS))
    return True


def _check(status: int, value: object) -> None:
    if status != 200 or value != MEAN_DELAYS:
        raise ValueError(f"wrong answer: status {status}, {value!r} instead of {MEAN_DELAYS!r}")


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", "--times", type=int, default=5, help="turns to measure")
    found = first_answers(parser.parse_args(argv).times, lambda line: print(line, file=sys.stderr))
    for name, seconds in (("functions-framework", found.peer), ("warm", found.warm), ("empty", found.empty)):
        in_ms = [round(value * 1000, 1) for value in seconds]
        print(json.dumps({"contender": name, "first_answer_ms": in_ms, "p50_ms": statistics.median(in_ms)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
