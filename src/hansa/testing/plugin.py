"""The pytest plugin: a `hansa` fixture in every test of a product."""

from __future__ import annotations

import pytest

from hansa.testing.inline import InlineHansa


@pytest.fixture
def hansa() -> InlineHansa:
    """An empty Hansa in memory: `hansa.load(folder)`, `hansa.call("POST /…", body)`, `hansa.read(port)`."""
    return InlineHansa()
