from __future__ import annotations

from collections.abc import Iterator

import pytest
from charts import Render, renderer


@pytest.fixture(scope="session")
def render() -> Iterator[Render]:
    """What Helm makes of the chart."""
    with renderer() as made:
        yield made
