"""One server for the tests that leave nothing behind, with the bench product deployed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with `lab.bench`."""
    with running(tmp_path_factory.mktemp("bench") / "data") as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A running Hansa that the test may kill, with `lab.bench`."""
    with running(tmp_path / "data") as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        yield server


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes disks fail."""
    return _library("eventlog_faults", tmp_path_factory)


@pytest.fixture(scope="session")
def clock_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that sets the clock of a process."""
    return _library("clock_faults", tmp_path_factory)


def _library(name: str, folders: pytest.TempPathFactory) -> Path:
    """A library to be preloaded. Left out, and said so, where there is no C compiler; a failure under CI."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        assert not os.environ.get("CI"), "the fault shims need a C compiler"
        pytest.skip("left out: the fault shims need a C compiler (gcc)")
    library = folders.mktemp("shim") / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library
