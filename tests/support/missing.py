"""What is done about tests that cannot run here: they are left out aloud, and are failures under CI, but for what the
machine of the CI does not allow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import pytest
from engines.install import Denied, Missing

LEFT_OUT: Final = "left out: "
"""What the summary of a session finds again."""


@contextlib.contextmanager
def left_out(what: str) -> Iterator[None]:
    """Leaves out `what` where the block raises `Missing`."""
    try:
        yield
    except Missing as missing:
        must = os.environ.get("CI") and not isinstance(missing, Denied)
        refuse = pytest.fail if must else pytest.skip
        refuse(f"{LEFT_OUT}{what}: {missing}")
