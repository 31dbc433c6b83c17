"""How long it takes to begin: `import hansa`, `hansa --help`, and `hansa up` on a folder with the example mesh in it.

The mesh is loaded first. Then Hansa is ended and started again as `make run` does it, with the examples to deploy: from
the start of the process to the first answer of the outlook's route, which must be the one from before, and to the line
that says it is ready. Starting the interpreter alone is measured beside it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

from benchmarks.environment import ROOT, Say
from benchmarks.subject import Subject, data_folder

TIMES = 7
STARTS = 3
HANSA = Path(sys.executable).with_name("hansa")
EXAMPLES = ROOT / "examples"
ROUTE = "/analytics/outlook/airports/JFK"
READY = b"Hansa answers at"
LOAD_TIMEOUT_S = 300.0
START_TIMEOUT_S = 60.0
SERVER_LIBRARIES = ("asyncio", "cryptography", "httpx", "rich", "ruamel", "sqlite3", "starlette", "typer", "uvicorn")
_IMPORT = """
import sys, time
begun = time.perf_counter()
import hansa
took = time.perf_counter() - begun
print(took * 1000, time.process_time() * 1000, *{name.partition('.')[0] for name in sys.modules})
"""


def measure(say: Say) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where something is loaded that must not be, or an answer is wrong."""
    say("start: interpreter, import and help")
    imports = [_imported() for _ in range(TIMES)]
    figures = {
        "python_ms": _median_ms(lambda: _run([sys.executable, "-c", "pass"])),
        "import_ms": median(took for took, _ in imports),
        "import_cpu_ms": median(spent for _, spent in imports),
        "help_ms": _median_ms(_help),
    }
    figures["help_ratio_to_python"] = figures["help_ms"] / figures["python_ms"]
    with data_folder() as data:
        say("start: loading the example mesh")
        before = _loaded(data)
        say("start: starting again")
        starts = [_started(data, before) for _ in range(STARTS)]
    figures["up_answer_s"] = median(answer for answer, _ in starts)
    figures["up_ready_s"] = median(ready for _, ready in starts)
    return figures


def _run(command: list[str | Path]) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


def _median_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES):
        began = perf_counter()
        act()
        times.append((perf_counter() - began) * 1000)
    return median(times)


def _imported() -> tuple[float, float]:
    """Milliseconds of the import, and of processor time of the process until then."""
    took, spent, *modules = _run([sys.executable, "-c", _IMPORT]).split()
    if loaded := sorted(set(modules) & set(SERVER_LIBRARIES)):
        raise ValueError(f"import hansa loads {', '.join(loaded)}")
    return float(took), float(spent)


def _help() -> None:
    if "deploy" not in _run([HANSA, "--help"]):
        raise ValueError("hansa --help does not name its commands")


def _up(data: Path) -> list[str | Path]:
    return [HANSA, "up", "--data", data, "--port", "0", "--examples", EXAMPLES]


def _loaded(data: Path) -> Any:
    """Loads the mesh and returns what its route answers."""
    subject = Subject(data, "hansa-up", command=_up(data))
    try:
        _wait(lambda: READY in subject.output, LOAD_TIMEOUT_S)
        return subject.get(ROUTE)
    finally:
        subject.stop()


def _started(data: Path, before: Any) -> tuple[float, float]:
    """Seconds to the first right answer, and to the line that says that it is ready."""
    began = perf_counter()
    subject = Subject(data, "hansa-up", command=_up(data))
    try:
        if (answer := subject.get(ROUTE)) != before:
            raise ValueError(f"{ROUTE} answers {answer!r} instead of {before!r}")
        answered_s = perf_counter() - began
        _wait(lambda: READY in subject.output, START_TIMEOUT_S)
        return answered_s, perf_counter() - began
    finally:
        subject.stop()


def _wait(holds: Callable[[], bool], timeout_s: float) -> None:
    end = perf_counter() + timeout_s
    while not holds():
        if perf_counter() > end:
            raise TimeoutError(f"hansa up: not ready within {timeout_s:g} s")
        sleep(0.005)
