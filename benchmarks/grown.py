"""A mesh that has grown: ten thousand products with fifty thousand subscriptions, and the lineage of their runs.

`populate` makes it as deployments leave it; a Hansa is started on it and asked over HTTP. Registry and views are files,
and in PostgreSQL too where `HANSA_DATABASE` names a server for it (a database of its own there, dropped at the end).
The log is a file both times. Every answer is checked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Final
from urllib.parse import quote

from benchmarks.environment import Say
from benchmarks.goals import Figures
from benchmarks.populate import Size, populate, run, write
from benchmarks.processes import cpu_s, family, pss_bytes, together
from benchmarks.subject import Subject, data_folder, until
from hansa.blobs.bundle import pack
from hansa.blobs.folder import FolderBlobs
from hansa.bootstrap.hansa import now_us
from hansa.bootstrap.log import open_log
from hansa.bootstrap.registry import open_registry

TIMES: Final = 9
REST_S: Final = 3.0
LEVEL_S: Final = 120.0


def measure(say: Say, products: int = 10_000, database: str | None = None) -> Figures:
    """The figures of one run; raises `ValueError` where an answer is wrong."""
    size, server = (
        Size(products, hub_consumers=min(100, products // 2)),
        database or os.environ.get("HANSA_DATABASE", ""),
    )
    figures = {f"files_{name}": value for name, value in _measured(say, size, "").items()}
    if server:
        with _database(server) as made:
            figures |= {f"postgresql_{name}": value for name, value in _measured(say, size, made).items()}
    return figures


@contextlib.contextmanager
def _database(server: str) -> Iterator[str]:
    import psycopg

    name = f"bench_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _measured(say: Say, size: Size, database: str) -> dict[str, float]:
    with data_folder() as data:
        data.mkdir(mode=0o700)
        say(f"grown: making {size.products:,} products with {size.subscriptions:,} subscriptions")
        _make(size, data, database)
        say("grown: starting, and starting again")
        first_s, subject = _started(data, database)
        subject.stop()
        start_s, subject = _started(data, database)
        try:
            figures = {"first_start_s": first_s, "start_s": start_s, "start_cpu_s": _cpu_s(subject)}
            until(lambda: subject.get(_lineage(size.port(0), "down"))["behind"] is None, LEVEL_S, "the views")
            say("grown: asking")
            figures |= {name: _ms(name, ask) for name, ask in _questions(subject, size, data.parent / "hub").items()}
            figures |= _at_rest(subject)
        finally:
            subject.stop()
    return figures


def _make(size: Size, data: Path, database: str) -> None:
    registry = open_registry(data, database, now_us)
    specs = populate(size, data.parent / "made", registry, FolderBlobs(data / "blobs"))
    registry.close()
    log = open_log(data)
    run(specs, log)
    log.stop()
    shutil.rmtree(data.parent / "made")


def _started(data: Path, database: str) -> tuple[float, Subject]:
    """How long it takes from the command to the first answer."""
    begun = perf_counter()
    command = ["env", f"HANSA_DATABASE={database}", sys.executable, "-m", "hansa.bootstrap", data, "0"]
    subject = Subject(data, "grown", command)
    return perf_counter() - begun, subject


def _questions(subject: Subject, size: Size, folder: Path) -> dict[str, Callable[[], bool]]:
    """What is asked, by the name of its figure; each says whether the answer was right."""
    last, hub = size.products - 1, size.product(0)
    candidate = pack(write(folder, hub, "")).data

    def found(query: str) -> int:
        return len(subject.get(f"/products?{query}")["items"])

    def edges(of: int, direction: str) -> int:
        graph = subject.get(_lineage(size.port(of), direction))
        return sum(edge["count"] > 0 for edge in graph["edges"]) if graph["behind"] is None else 0

    def planned() -> bool:
        plan = subject.post_bytes(f"/products/{hub}/plan", candidate)
        direct = [one for one in plan["consumers"] if one["depth"] == 1]
        breaks = sum(one["verdict"] == "breaks" for one in direct)
        return (len(direct), breaks) == (size.hub_consumers, size.hub_consumers // 2)

    return {
        "search_one_ms": lambda: found(f"text=product{last}") == 1,
        "search_words_ms": lambda: found("text=numbers%20whoever%20counts") == min(50, size.products),
        "search_tag_ms": lambda: found("tag=tag7&limit=20") == min(20, len(range(7, size.products, 100))),
        "page_ms": lambda: len(subject.get(f"/products/{size.product(last)}")["reads"]) == size.follows,
        "page_of_hub_ms": lambda: len(subject.get(f"/products/{hub}")["read_by"]) == size.hub_consumers,
        "lineage_up_ms": lambda: edges(last, "up") > size.follows,
        "lineage_down_ms": lambda: edges(1, "down") > 1,
        "plan_ms": planned,
    }


def _lineage(node: str, direction: str) -> str:
    return f"/lineage?node={quote(node)}&direction={direction}&depth=3"


def _ms(name: str, ask: Callable[[], bool]) -> float:
    took = []
    for _ in range(TIMES):
        begun = perf_counter()
        if not ask():
            raise ValueError(f"a grown mesh answers {name.removesuffix('_ms')} wrongly")
        took.append((perf_counter() - begun) * 1000)
    return median(took)


def _cpu_s(subject: Subject) -> float:
    return together(cpu_s, family(subject.pid))


def _at_rest(subject: Subject) -> dict[str, float]:
    before, server = _cpu_s(subject), pss_bytes(subject.pid)
    everything = together(pss_bytes, family(subject.pid))
    sleep(REST_S)
    return {
        "server_mib": server / 2**20,
        "all_mib": everything / 2**20,
        "rest_percent": (_cpu_s(subject) - before) / REST_S * 100,
    }


if __name__ == "__main__":
    for figure, value in measure(print, int(os.environ.get("PRODUCTS", "10000"))).items():
        print(f"{figure:32} {value:10.3f}")
