"""Errors of author code: their code and hint where they have one, and only the author's frames."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import pytest

from hansa.errors import CallerError
from hansa.runtime.traces import PACKAGE, author_trace, run_error

AUTHOR = """
def outer(call):
    call()

def deep(n):
    raise ValueError("deep") if n == 0 else None
"""


def author(source: str = AUTHOR) -> dict[str, Any]:
    """A module of a product, as the loader would name it."""
    module: dict[str, Any] = {"__name__": f"{PACKAGE}shop_orders.product"}
    exec(compile(source, "/srv/shop/orders/product.py", "exec"), module)
    return module


def trace_of(call: Any, *arguments: Any) -> TracebackType | None:
    with pytest.raises((RuntimeError, ValueError, ZeroDivisionError)) as caught:
        call(*arguments)
    return caught.value.__traceback__


def test_any_exception_is_told_with_its_type_and_text() -> None:
    error = run_error(ValueError("too many"), "add")
    assert (error.code, error.message, error.origin) == ("logic.raised", "ValueError: too many", "add")


def test_an_exception_without_text_is_told_by_its_type() -> None:
    assert run_error(KeyError(), None).message == "KeyError"


def test_an_error_of_ours_keeps_its_code_hint_and_details() -> None:
    error = run_error(CallerError("port.unknown", "There is none", hint="Look", details={"port": "a"}), "add")
    assert (error.code, error.message, error.hint, error.details) == (
        "port.unknown",
        "There is none",
        "Look",
        {"port": "a"},
    )


def test_a_lack_of_memory_says_which_limit_to_raise() -> None:
    error = run_error(MemoryError(), "add")
    assert error.code == "logic.out_of_memory"
    assert "limits.memory" in (error.hint or "")


def test_the_trace_has_the_author_frames_with_file_line_and_function() -> None:
    def ours() -> None:
        raise RuntimeError

    assert author_trace(trace_of(author()["outer"], ours)) == "product.py:3 in outer"


def test_without_author_frames_there_is_no_trace() -> None:
    assert author_trace(None) is None
    assert author_trace(trace_of(int, "x")) is None


def test_a_long_trace_keeps_the_innermost_frames() -> None:
    module = author("def down(n):\n    1 / n\n    down(n - 1)\n")
    trace = author_trace(trace_of(module["down"], 60))
    assert trace is not None
    lines = trace.splitlines()
    assert len(lines) == 40
    assert lines[-1] == "product.py:2 in down"
