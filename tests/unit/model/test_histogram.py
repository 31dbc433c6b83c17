"""Counts by range."""

from hansa.model.histogram import Histogram


def test_a_value_falls_into_the_first_range_that_holds_it_and_a_bound_belongs_below() -> None:
    found = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.1, 100.0):
        found.add(value)
    assert found.counts == [2, 2, 2]
    assert found.total == 107.1
