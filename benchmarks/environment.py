"""Where the peers live: their own virtual environments and npm folders under `.bench/`, made once and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Say = Callable[[str], None]
"""Takes one line of progress for the person who waits."""

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
SERVED = ROOT / "benchmarks" / "served"
INSTALL_TIMEOUT_S = 900


class Unavailable(Exception):
    """This machine cannot run a contender; the message says why and what to do."""


def python_environment(name: str, packages: Sequence[str], say: Say) -> Path:
    """The interpreter of a byte-compiled virtual environment that holds exactly `packages` and what they need.

    Made again when the list of packages or the interpreter changes; raises `Unavailable` when pip fails.
    """
    folder = BENCH / "python" / name
    python = folder / "bin" / "python"

    def make() -> None:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        # Some packages ship files that are not meant to compile, so a failure here says nothing.
        _run([str(python), "-m", "compileall", "-q", "-j", "0", str(folder / "lib")], failing_is_fine=True)

    _make_once(folder, f"{sys.version} {' '.join(packages)}", f"{name}: pip install {' '.join(packages)}", make, say)
    return python


def npm_folder(name: str, packages: Sequence[str], say: Say) -> Path:
    """A folder whose `node_modules` holds `packages`; made again when the list changes.

    Raises `Unavailable` without npm, or when it fails.
    """
    folder = BENCH / "npm" / name
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(f"{name} comes from npm, which is not on PATH; install Node.js")

    def make() -> None:
        folder.mkdir(parents=True)
        _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages])

    _make_once(folder, " ".join(packages), f"{name}: npm install {' '.join(packages)}", make, say)
    return folder


def package_versions(python: Path, *packages: str) -> str:
    """Names and versions of `packages` in the environment of `python`, separated by commas."""
    code = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return _run([str(python), "-c", code, *packages]).strip()


def _make_once(folder: Path, recipe: str, announcement: str, make: Callable[[], None], say: Say) -> None:
    """Call `make` unless `folder` was completed by the same recipe; a half-made folder is never used."""
    stamp = folder / "made-by.txt"
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    say(announcement)
    shutil.rmtree(folder, ignore_errors=True)
    make()
    stamp.write_text(recipe)


def _run(command: Sequence[str], *, failing_is_fine: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode and not failing_is_fine:
        raise Unavailable(f"{' '.join(command)!r} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
