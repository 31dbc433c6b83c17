"""What idle products with pandas and pyarrow loaded cost in memory, against separate interpreters with the same.

`python -m benchmarks.memory -n 10`. PSS (proportional set size) counts a page that several processes share once,
divided among them. As many interpreters run beside each other as products, so that they share their libraries' files as
well as they can; one interpreter alone costs more, and is told too. Each product has answered a call and rested since.
The zygote and the worker that waits, which the products share, are told beside.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.deployed import Deployed, deployed, version
from benchmarks.environment import BENCH, Say, Unavailable, python_environment
from benchmarks.goals import Figures
from benchmarks.workload import DELAYS, MEAN_DELAYS

PRODUCT = Path(__file__).parent / "products" / "idle"
PRODUCTS = 10
REST_S, SETTLE_S = 2.0, 3.0
"""After which a worker is exchanged for a fresh one (30 s unless set), and what that may take."""
INTERPRETER = "import pandas, pyarrow, sys; print('ready', flush=True); sys.stdin.read()"


@dataclass(frozen=True, slots=True)
class Memory:
    """PSS in KiB: of each worker, of what they share, of one interpreter alone, of each of as many together."""

    workers: list[int]
    shared: int
    alone: int
    interpreters: list[int]


def costs(count: int, say: Say) -> Memory:
    """Measures `count` products and then as many interpreters. Raises `Unavailable` where memory cannot be read."""
    python = python_environment("memory", PRODUCT.joinpath("requirements.txt").read_text().split(), say)
    with deployed("hansa-memory", HANSA_REST_S=str(REST_S)) as hansa:
        for number in range(count):
            _deploy(hansa, number)
        time.sleep(REST_S + SETTLE_S)
        shared, workers = _processes(hansa)
        if len(workers) != count:
            raise ValueError(f"{len(workers)} workers stand for {count} products")
        own = [_pss_kib(pid) for pid in workers]
        common = sum(_pss_kib(pid) for pid in shared)
    return Memory(own, common, *_interpreters(python, 1), _interpreters(python, count))


def measure(say: Say) -> Figures:
    """The means in MiB, and how many idle products take the memory of one interpreter. Raises as `costs` does."""
    say(f"memory: {PRODUCTS} idle products with pandas and pyarrow")
    found = costs(PRODUCTS, say)
    product, shared = statistics.mean(found.workers), found.shared / PRODUCTS
    return {
        "product_mib": product / 1024,
        "product_with_share_of_zygote_mib": (product + shared) / 1024,
        "interpreter_mib": found.alone / 1024,
        "interpreter_beside_others_mib": statistics.mean(found.interpreters) / 1024,
        "gain": found.alone / product,
    }


def _deploy(hansa: Deployed, number: int) -> None:
    hansa.deploy(f"bench.idle{number}", version(PRODUCT, number, f"bench.idle{number}"))
    status, answer = hansa.ask(f"/bench/idle{number}/mean", json.dumps(DELAYS).encode())
    if status != 200 or json.loads(answer) != MEAN_DELAYS:
        raise ValueError(f"wrong answer of product {number}: status {status}, {answer!r}")


def _processes(hansa: Deployed) -> tuple[list[int], list[int]]:
    """What serves all products with these requirements (their zygote, a worker that waits), and the products' own
    workers, which have a scratch folder each."""
    zygotes = {pid: _children(pid) for pid in _children(hansa.server.pid) if _name(pid).startswith("zygote-")}
    zygote = max(zygotes, key=lambda pid: len(zygotes[pid]))
    named = {int(folder.name.rpartition("-")[2]) for folder in hansa.data.glob("rooms/*/scratch/bench.idle*")}
    own = [pid for pid in zygotes[zygote] if pid in named]
    return [zygote, *(pid for pid in zygotes[zygote] if pid not in named)], own


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError as refusal:
        raise Unavailable("workers let nobody but root look into them; run as root to measure memory") from refusal
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _interpreters(python: Path, count: int) -> list[int]:
    with ExitStack() as running:
        started = [running.enter_context(_interpreter(python)) for _ in range(count)]
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        costs = [_pss_kib(process.pid) for process in started]
        _end(started)
    return costs


def _interpreter(python: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(python), "-c", INTERPRETER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BENCH
    )


def _end(processes: Iterable[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", "--products", type=int, default=PRODUCTS, help="products and interpreters")
    found = costs(parser.parse_args(argv).products, lambda line: print(line, file=sys.stderr))
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
