"""One server for the tests that leave nothing behind, with the bench product deployed."""

from __future__ import annotations

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
