"""What stays of a state when a person is taken out of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.lifecycle.mentions import Sought
from hansa.lifecycle.redaction import without_person

BO = Sought("bo-1", {"customer"}, {"bo@example.org"})


def left(value: Any) -> Any:
    made = without_person(msgspec.msgpack.encode(value), BO)
    return "nothing" if made is None else msgspec.msgpack.decode(made)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"count": 3, "last": "bo-1"}, {"count": 3, "last": None}),
        ({"bo-1": 7, "al-1": 8}, {"al-1": 8}),
        (["al-1", "bo-1", "to bo@example.org", 5], ["al-1", 5]),
        ({"carts": [{"customer": "bo-1", "n": 5}, {"customer": "al-1"}]}, {"carts": [{"customer": "al-1"}]}),
        ({"17": {"customer": "bo-1"}, "18": {"customer": "al-1"}}, {"17": None, "18": {"customer": "al-1"}}),
        ({"customer": "bo-1", "sum": 5}, "nothing"),
        ("bo-1 called", "nothing"),
        ({"raw": b'{"customer":"bo-1"}', "n": 1}, {"raw": None, "n": 1}),
        ({"bo-12": 1, "note": "abo-1x"}, {"bo-12": 1, "note": "abo-1x"}),
    ],
)  # fmt: skip
def test_what_speaks_of_the_person_goes_and_the_rest_keeps_its_shape(before: Any, after: Any) -> None:
    assert left(before) == after


def test_an_id_of_digits_is_looked_for_in_fields_of_that_name_alone() -> None:
    digits = Sought("1017", {"customer"})
    value = {"price": 1017, "text": "1017", "customer": [1017, 1018]}
    made = without_person(msgspec.msgpack.encode(value), digits)
    assert made is not None
    assert msgspec.msgpack.decode(made) == {"price": 1017, "text": "1017", "customer": [1018]}


def test_what_cannot_be_read_goes_whole() -> None:
    assert without_person(b"\xc1", BO) is None
