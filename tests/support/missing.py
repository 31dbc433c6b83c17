"""What is done about tests that cannot run here: they are left out aloud, and are failures under CI."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import pytest
from engines.install import Missing

LEFT_OUT: Final = "left out: "
"""What the summary of a session finds again."""


@contextlib.contextmanager
def left_out(what: str) -> Iterator[None]:
    """Leaves out `what` where the block raises `Missing`."""
    try:
        yield
    except Missing as missing:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"{LEFT_OUT}{what}: {missing}")
