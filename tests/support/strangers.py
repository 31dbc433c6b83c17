"""Tools that nobody here wrote, each in an environment of its own outside of the repository, made once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_S = 600


def stranger(*requirements: str) -> Path:
    """The folder of the programs of a Python environment with `requirements`, the first of which names it."""
    folder = _kept(requirements, sys.version)
    python = str(folder / "bin" / "python")
    _made(
        folder,
        requirements,
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [python, "-m", "pip", "install", "--quiet", *requirements],
    )
    return folder / "bin"


def node_modules(*packages: str) -> Path:
    """The folder of modules of an environment of Node.js with `packages`, the first of which names it."""
    folder = _kept(packages, "node")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    _made(folder, packages, ["mkdir", "-p", str(folder)], install)
    return folder / "node_modules"


def _kept(requirements: tuple[str, ...], under: str) -> Path:
    """Where an environment is kept: in the user's cache, by its requirements and what it is for."""
    digest = hashlib.sha256("\n".join([under, *requirements]).encode()).hexdigest()[:12]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hansa" / "clients"
    root.mkdir(parents=True, exist_ok=True)
    name = re.split(r"[^a-z-]", requirements[0].lstrip("@").replace("/", "-"))[0]
    return root / f"{name}-{digest}"


def _made(folder: Path, requirements: tuple[str, ...], *steps: list[str]) -> None:
    """Makes an environment, unless it is there. Where that cannot be done the test is skipped, and fails under CI."""
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "ready").exists():
            return
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            if done.returncode:
                refuse = pytest.fail if os.environ.get("CI") else pytest.skip
                refuse(f"no environment with {', '.join(requirements)}: {done.stderr[-500:]}")
        (folder / "ready").touch()
