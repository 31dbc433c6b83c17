"""Batches in the shape that logic asks for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.runtime.tables import as_shape


class Row(msgspec.Struct):
    name: str
    value: int


ROWS = [Row("a", 1), Row("b", 2)]
PLAIN = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]


@pytest.mark.parametrize(("value", "expected"), [(ROWS, ROWS), (ROWS[0], [ROWS[0]]), ([], []), (None, [])])
def test_a_list_is_the_batch_and_a_single_value_a_batch_of_one(value: Any, expected: list[Any]) -> None:
    assert as_shape(value, "list") == expected


@pytest.mark.parametrize("value", [ROWS, PLAIN])
def test_records_and_dicts_become_an_arrow_table(value: list[Any]) -> None:
    pytest.importorskip("pyarrow")
    assert as_shape(value, "arrow").to_pylist() == PLAIN


@pytest.mark.parametrize("value", [ROWS, PLAIN])
def test_records_and_dicts_become_a_polars_frame(value: list[Any]) -> None:
    pytest.importorskip("polars")
    assert as_shape(value, "polars").to_dicts() == PLAIN


def test_one_record_becomes_a_table_of_one_row() -> None:
    pytest.importorskip("pyarrow")
    assert as_shape(ROWS[1], "arrow").to_pylist() == PLAIN[1:]


def test_what_is_a_table_already_stays_the_same_one() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(PLAIN)
    assert as_shape(table, "arrow") is table


def test_what_is_a_frame_already_stays_the_same_one() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(PLAIN)
    assert as_shape(frame, "polars") is frame
