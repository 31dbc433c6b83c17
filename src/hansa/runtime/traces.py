"""Errors of author code, told with the author's frames only."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Final

from hansa.errors import HansaError
from hansa.model.run import RunError

PACKAGE: Final = "hansa_product_"
"""Product folders are imported as packages whose names begin so."""
_LINES_MAX: Final = 40


def run_error(raised: BaseException, origin: str | None) -> RunError:
    """What is kept of an exception. Its code is its own where it is a `HansaError`, else `logic.raised`."""
    trace = author_trace(raised.__traceback__)
    if isinstance(raised, HansaError):
        return RunError(raised.code, raised.message, origin, trace, raised.hint, raised.details or None)
    if isinstance(raised, MemoryError):
        return RunError(
            "logic.out_of_memory", f"{origin} used more memory than its product may", origin, trace,
            "Work in chunks, or raise limits.memory in product.yaml.",
        )  # fmt: skip
    name = type(raised).__name__
    try:
        text = str(raised)
    except Exception:
        text = "its own text cannot be made"
    return RunError("logic.raised", f"{name}: {text}" if text else name, origin, trace)


def author_trace(start: TracebackType | None) -> str | None:
    """The frames of product code, innermost last, as Python prints them; None where there are none."""
    frames = [
        frame for frame, _ in traceback.walk_tb(start) if str(frame.f_globals.get("__name__", "")).startswith(PACKAGE)
    ]
    if not frames:
        return None
    wanted = {id(frame) for frame in frames}
    lines = [
        line
        for (frame, number), summary in zip(traceback.walk_tb(start), traceback.extract_tb(start), strict=True)
        if id(frame) in wanted
        for line in _shown(summary, number)
    ]
    return "\n".join(lines[-_LINES_MAX:])


def _shown(summary: traceback.FrameSummary, number: int) -> list[str]:
    file = summary.filename.rsplit("/", 1)[-1]
    head = f"{file}:{number} in {summary.name}"
    return [head, f"    {summary.line}"] if summary.line else [head]
