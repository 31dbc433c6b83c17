"""Tools that nobody here wrote, each in an environment of its own outside of the repository, made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_S = 600


def stranger(*requirements: str) -> Path:
    """The folder of the programs of an environment with `requirements`, the first of which names it.

    It is kept in the user's cache, by the requirements and the version of Python. Where it cannot be made, the test is
    skipped, and fails instead under CI.
    """
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hansa" / "clients"
    folder = root / f"{requirements[0].partition('=')[0]}-{digest}"
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _make(folder, requirements)
    return folder / "bin"


def _make(folder: Path, requirements: tuple[str, ...]) -> None:
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            refuse = pytest.fail if os.environ.get("CI") else pytest.skip
            refuse(f"no environment with {', '.join(requirements)}: {done.stderr[-500:]}")
    (folder / "ready").touch()
