"""Fixtures that start real services. A service that a test needs and does not find is announced, and a failure
under CI."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from corpora import MISSING, corpora
from engines.session import ENGINES, Engines
from missing import LEFT_OUT, left_out

_engines = pytest.StashKey[Engines]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with tests that take long begin, so that no process is left alone with one at the end. Tests that need an
    engine are marked so."""
    for item in items:
        if _fixtures(item):
            item.add_marker(pytest.mark.engines)
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins the engines that any test needs, so that they are ready when the first of them runs."""
    if not session.config.option.collectonly:
        session.config.stash[_engines] = Engines()
        session.config.stash[_engines].begin({name for item in session.items for name in _fixtures(item)})


def _fixtures(item: pytest.Item) -> set[str]:
    """The engines that a test needs, by its fixtures or because it is for one of several kinds of store."""
    kinds = {str(value) for value in getattr(getattr(item, "callspec", None), "params", {}).values()}
    return ENGINES.keys() & ({name.removesuffix("_address") for name in getattr(item, "fixturenames", ())} | kinds)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _engines in config.stash:
        config.stash[_engines].close()


def _address(name: str, config: pytest.Config) -> str:
    with left_out(f"every test on {name}"):
        return config.stash[_engines].address(name)


@pytest.fixture(scope="session")
def kafka_address(pytestconfig: pytest.Config) -> str:
    """The bootstrap servers of a Kafka broker that all tests share; each takes topics of its own."""
    return _address("kafka", pytestconfig)


@pytest.fixture(scope="session")
def postgresql_address(pytestconfig: pytest.Config) -> str:
    """The URI of a superuser of a PostgreSQL that all tests share; each makes a database of its own."""
    return _address("postgresql", pytestconfig)


@pytest.fixture(scope="session")
def s3_address(pytestconfig: pytest.Config) -> str:
    """`http://KEY:SECRET@HOST:PORT/BUCKET` of an object store that all tests share; each takes a prefix of its own."""
    return _address("s3", pytestconfig)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says aloud what was left out, by whichever process ran the tests."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())}
    found = {reason.partition(LEFT_OUT)[2] for reason in reasons if LEFT_OUT in reason}
    for what in sorted(found | ({MISSING} if corpora() is None else set())):
        terminalreporter.write_line(f"LEFT OUT: {what}", yellow=True)
