"""What goes wrong with a server: its processes are killed, its disk fails (`tests/acceptance/eventlog_faults.c`)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server import Server

LIFE_MAX_S = 3.0
"""How long a server lives that its disk was to kill and did not."""


@dataclass(frozen=True)
class Life:
    """One start of a server and how it ends: by SIGKILL after `lasts_s`, or before it answers where `in_start`.
    `environment` makes its disk fail, which may end it sooner; `victims` (see `processes`) are killed while it lives.
    """

    lasts_s: float
    environment: dict[str, str] = field(default_factory=dict)
    victims: tuple[str, ...] = ()
    in_start: bool = False


def lives(chance: random.Random, shim: Path) -> list[Life]:
    """Thirty-five lives in any order, with fifteen deaths of a server's other processes in them: fifty kills."""
    victims = [(kind,) for kind in chance.choices(["worker", "worker", "zygote", "views"], k=15)] + [()] * 5
    found = [Life(chance.uniform(0.02, 0.5), victims=some) for some in victims]
    found += [Life(chance.uniform(0.05, 0.8), in_start=True) for _ in range(4)]
    found += [Life(LIFE_MAX_S, failing(shim, HANSA_TORN=chance.randint(1, 120))) for _ in range(6)]
    found += [Life(LIFE_MAX_S, failing(shim, HANSA_DIES=chance.randint(1, 80))) for _ in range(3)]
    found += [Life(0.4, failing(shim, HANSA_EIO=chance.randint(5, 80))) for _ in range(2)]
    chance.shuffle(found)
    return found


def failing(shim: Path, **faults: int | Path) -> dict[str, str]:
    """The environment in which every store of a server stands on a disk with these faults."""
    return {"LD_PRELOAD": str(shim), "HANSA_FAULTY": ".db", **{name: str(value) for name, value in faults.items()}}


def live(server: Server, life: Life, chance: random.Random) -> int:
    """Has the server live a life; how many of its processes were killed."""
    server.launch(**life.environment)
    kills = 1
    if not life.in_start and server.answers():
        for victim in life.victims:
            time.sleep(chance.uniform(0.01, 0.2))
            kills += kill_one(server, victim, chance)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(life.lasts_s)
    server.kill()
    return kills


def kill_one(server: Server, kind: str, chance: random.Random) -> bool:
    """SIGKILL for one of the server's processes of a kind; False where there is none now."""
    with contextlib.suppress(ProcessLookupError):
        found = list(processes(server, kind))
        if found:
            os.kill(chance.choice(found), signal.SIGKILL)
            return True
    return False


def processes(server: Server, kind: str) -> Iterator[int]:
    """The server's zygotes, its workers (the children of those), or what keeps its views."""
    for child in _children(server.process.pid):
        if "zygote_process" not in _command(child):
            yield from [child] if kind == "views" else []
        else:
            yield from [child] if kind == "zygote" else _children(child) if kind == "worker" else []


def _children(pid: int) -> list[int]:
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in lists for child in children]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
