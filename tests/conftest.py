"""Fixtures that start real services. A service that a test needs and does not find is announced, and a failure
under CI."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from corpora import MISSING, corpora


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says aloud what was left out."""
    if corpora() is None:
        terminalreporter.write_line(f"LEFT OUT: {MISSING}", yellow=True)
