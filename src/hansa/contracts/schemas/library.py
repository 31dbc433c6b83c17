"""The libraries of formats, which `hansa[formats]` brings and nobody else has to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hansa.errors import OperatorError


@contextmanager
def needed() -> Iterator[None]:
    """Around imports: raises `OperatorError("library.missing")` where one is not installed."""
    try:
        yield
    except ModuleNotFoundError as failure:
        raise OperatorError(
            "library.missing",
            f"The library {failure.name} is not installed",
            hint="Install it with: pip install 'hansa[formats]'.",
        ) from failure
