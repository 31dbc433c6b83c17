"""Filling a version: what is read is cut where nothing is to be translated, and keeps every place."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hansa.lifecycle.filling import Span, spans
from hansa.runtime import wire


def records(base: int, count: int) -> wire.Records:
    return wire.Records("t", 0, base, count, 5, b"e" * count)


def size(span: Span) -> int:
    return span if isinstance(span, int) else span.count


def test_neighbours_are_one_and_gaps_are_blank() -> None:
    found = list(spans([records(2, 3), records(5, 1), records(8, 2)], 0, 12))
    assert [span if isinstance(span, int) else (span.base, span.count) for span in found] == [2, (2, 4), 2, (8, 2), 2]
    assert list(spans([], 3, 3)) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4))), st.integers(0, 5))
def test_every_place_is_kept(parts: list[tuple[int, int]], tail: int) -> None:
    given, position = [], 0
    for gap, count in parts:
        given.append(records(position + gap, count))
        position += gap + count
    found = list(spans(given, 0, position + tail))
    assert sum(map(size, found)) == position + tail
    assert all(isinstance(one, int) != isinstance(other, int) for one, other in pairwise(found))
