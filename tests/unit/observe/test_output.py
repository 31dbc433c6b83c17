"""Output as JSON lines."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from hansa.errors import OperatorError
from hansa.observe.output import JsonLines, is_structured


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"name": "hansa.runtime", "levelname": "WARNING", "msg": "it\n%s", "args": ("broke",)}
    )
    record.created = 1_700_000_000.5
    record.__dict__.update(extra)
    return json.loads(JsonLines().format(record))


def test_a_line_says_when_how_bad_who_and_what() -> None:
    assert line() == {
        "time": "2023-11-14T22:13:20.500Z", "level": "warning", "logger": "hansa.runtime", "message": "it\nbroke"
    }  # fmt: skip


def test_what_it_is_about_stands_beside_it_where_it_is_known() -> None:
    found = line(run="7", product="d.p", trace=None)
    assert (found["run"], found["product"]) == ("7", "d.p")
    assert "trace" not in found


def test_an_exception_stands_in_the_same_line() -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        assert "LookupError: gone" in str(line(exc_info=sys.exc_info())["exception"])


def test_a_kind_of_output_that_there_is_not_is_refused() -> None:
    assert (is_structured({}), is_structured({"HANSA_OUTPUT": "json"})) == (False, True)
    with pytest.raises(OperatorError, match="yaml"):
        is_structured({"HANSA_OUTPUT": "yaml"})
