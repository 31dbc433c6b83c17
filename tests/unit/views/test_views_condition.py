"""Conditions: their text form, their plain form, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.errors import CallerError
from hansa.views.condition import And, Compare, Condition, Fields, Not, Or, dig, matches, parse_condition
from hansa.views.condition_text import parse_text

FIELDS = Fields(("name", "source"), "payload")
A1, B2, C3 = Compare("a", "eq", 1), Compare("b", "eq", 2), Compare("c", "eq", 3)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("name=OrderPlaced", Compare("name", "eq", "OrderPlaced")),
        ("payload.n >= -1.5e2", Compare("payload.n", "gte", -150.0)),
        ("payload.n = 007", Compare("payload.n", "eq", "007")),
        ('payload.n != "7"', Compare("payload.n", "ne", "7")),
        (
            "payload.ok=true and payload.no=null",
            And([Compare("payload.ok", "eq", True), Compare("payload.no", "eq", None)]),
        ),
        ("name = 7", Compare("name", "eq", "7")),
        (r'source ~ "a \"b\" *"', Compare("source", "like", 'a "b" *')),
        ("name in (A, 'B c', 3)", Compare("name", "in", ["A", "B c", "3"])),
        ("payload.n in (1, two)", Compare("payload.n", "in", [1, "two"])),
        ("payload.note exists", Compare("payload.note", "exists", True)),
        (
            "a=1 or b=2 AND not c=3",
            Or([Compare("a", "eq", 1), And([Compare("b", "eq", 2), Not(Compare("c", "eq", 3))])]),
        ),
        ("(a=1 or b=2) and c=3", And([Or([A1, B2]), C3])),
    ],
)
def test_the_text_form_says(text: str, condition: Condition) -> None:
    assert parse_text(text, {"name", "source"}) == condition


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("name=", 5), ("name", 4), ("name=A and", 10), ("name=A B=2", 7), ("(a=1", 4), ("a=1)", 3), ('a="x', 2),
     ("in (a)", 3), ("a in b", 5), ("a ( 3", 2), ("a in (b c)", 8), ("  =3", 2), ("not", 3)],
)  # fmt: skip
def test_a_malformed_text_is_refused_where_it_goes_wrong(text: str, position: int) -> None:
    with pytest.raises(CallerError) as refused:
        parse_text(text)
    assert refused.value.code == "query.malformed"
    assert refused.value.details["position"] == position


@pytest.mark.parametrize("text", ["(" * 500 + "a=1" + ")" * 500, "not " * 500 + "a=1"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(CallerError, match="nested deeper"):
        parse_text(text)


def test_plain_values_say_the_same_as_the_text() -> None:
    raw = {"and": [{"field": "name", "value": "A"}, {"or": [{"not": {"field": "b", "op": "gt", "value": 3}}]}]}
    assert parse_condition(raw) == And([Compare("name", "eq", "A"), Or([Not(Compare("b", "gt", 3))])])


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ("name=A", "It reads like"),
        ({"field": "name", "op": "equals", "value": 1}, "There are: eq"),
        ({"field": "name", "op": "gtt", "value": 1}, "Did you mean 'gt"),
        ({"field": "name", "valu": 1}, "It has `field`"),
        ({"field": 3}, "It has `field`"),
        ({"and": [], "field": "name"}, "Put them inside"),
        ({"or": {"field": "name"}}, "It takes a list"),
        ({"not": []}, "It reads like"),
    ],
)
def test_malformed_plain_values_are_refused(raw: Any, hint: str) -> None:
    with pytest.raises(CallerError) as refused:
        parse_condition(raw)
    assert refused.value.code == "query.malformed"
    assert hint in str(refused.value.hint)


def test_plain_values_nested_without_end_are_refused() -> None:
    raw: Any = {"field": "a"}
    for _ in range(5000):
        raw = {"not": raw}
    with pytest.raises(CallerError, match="nested deeper"):
        parse_condition(raw)


@pytest.mark.parametrize(
    "field", ["nam", "payload.", "payload..a", "payload.a b", "payload.a'b", 'payload."a"', "payloads.a", "a;b", ""]
)
def test_only_fields_of_the_grammar_are_taken(field: str) -> None:
    with pytest.raises(CallerError) as refused:
        FIELDS.check(Compare(field, "eq", 1))
    assert refused.value.code == "query.malformed"
    assert refused.value.details["field"] == field


def test_a_field_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(CallerError, match="Did you mean 'source'"):
        FIELDS.check(Compare("sorce", "eq", 1))


@pytest.mark.parametrize(
    "test",
    [Compare("name", "in", "A"), Compare("name", "like", 3), Compare("name", "gt", True), Compare("name", "lt", None),
     Compare("name", "exists", 1), Compare("name", "eq", ["A"])],
)  # fmt: skip
def test_a_value_must_fit_its_comparison(test: Compare) -> None:
    with pytest.raises(CallerError, match="It takes"):
        FIELDS.check(test)


def test_too_many_tests_are_refused() -> None:
    with pytest.raises(CallerError, match="300 tests"):
        FIELDS.check(Or([Compare("name", "eq", "A")] * 300))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n>1", True), ("n>2", False), ("n=2.0", True), ("n='2'", False), ("b=true", True), ("b=1", False),
        ("s~'a*c?'", True), ("s~'a*c'", False), ("s>'abc'", True), ("s>1", False), ("gone=null", True),
        ("gone!=3", True), ("gone>3", False), ("not gone>3", True), ("n exists", True), ("gone exists", False),
        ("l.1=y", True), ("l.2=null", True), ("o.k.z=3", True), ("n in (1, 2)", True), ("s in (1, abcd)", True),
        ("empty=null", True), ("n.k=null", True),
    ],
)  # fmt: skip
def test_what_a_condition_means_for_one_thing(text: str, holds: bool) -> None:
    thing = {"n": 2, "b": True, "s": "abcd", "l": ["x", "y"], "o": {"k": {"z": 3}}, "empty": None}
    assert matches(parse_text(text), lambda field: dig(thing, field.split("."))) is holds
