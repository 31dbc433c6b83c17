"""What processes cost: their processor time and their memory, read from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def parents() -> dict[int, int]:
    """The parent of every process."""
    found: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int(_fields(entry.name)[1])
    return found


def family(root: int, parent_of: dict[int, int] | None = None) -> list[int]:
    """`root` and all that it started, directly or not."""
    parent_of = parents() if parent_of is None else parent_of
    found = [root]
    for pid in found:
        found += [child for child, parent in parent_of.items() if parent == pid]
    return found


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds; raises `OSError` where it has gone."""
    fields = _fields(str(pid))
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def pss_bytes(pid: int) -> int:
    """Memory of a process, each page that is shared counted in parts; raises `OSError` where it has gone."""
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def together(of: Callable[[int], float], pids: Iterable[int]) -> float:
    """The sum over those processes that are still there."""
    found = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            found += of(pid)
    return found


def title(pid: int) -> str:
    """The command line of a process; nothing where it has gone."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_text().replace("\0", " ")
    return ""


def listener(port: int) -> int:
    """The process of this machine that listens on a port; the first one that was started, where several share
    it. Raises `ProcessLookupError` where none does."""
    tables = [(_PROC / "net" / table).read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table]
    ours = {f"socket:[{line[9]}]" for line in lines if int(line[1].rpartition(":")[2], 16) == port and line[3] == "0A"}
    for pid in sorted(parents()):
        with contextlib.suppress(OSError):
            if any(os.readlink(handle) in ours for handle in (_PROC / str(pid) / "fd").iterdir()):
                return pid
    raise ProcessLookupError(f"nobody listens on port {port} of this machine")


def _fields(pid: str) -> list[str]:
    """The fields of `stat` behind the name, which may hold anything: state, parent, …"""
    return (_PROC / pid / "stat").read_text().rpartition(") ")[2].split()


class Watch:
    """The highest PSS of a family of processes, and the processor time of each of its members, while it is watched."""

    def __init__(self, root: int, every_s: float = 0.1) -> None:
        self._root = root
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.peak_bytes = 0
        self.spent_s: dict[int, float] = {}
        """Processor time by process, as it was last seen; a process that ended keeps what it had."""

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Looks once."""
        total = 0
        for pid in family(self._root):
            with contextlib.suppress(OSError):
                self.spent_s[pid] = cpu_s(pid)
                total += pss_bytes(pid)
        self.peak_bytes = max(self.peak_bytes, total)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watch]:
        """Looks again and again while the block runs, and once at its end."""
        self.look()
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join()
            self.look()
