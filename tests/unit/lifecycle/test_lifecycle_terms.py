"""What changes in a contract beside its schema."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.lifecycle.changes import Change
from hansa.lifecycle.terms import terms_changed

PORT = "shop.orders/orders@1"


def told(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = terms_changed({PORT: old, "shop.orders/gone@1": old}, {PORT: new, "shop.orders/new@1": new})
    assert all((change.kind, change.what, change.id) == ("metadata", "terms", PORT) for change in found)
    return [change.text for change in found]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            {},
            {"slaProperties": [{"property": "latency", "value": 5, "unit": "m"}]},
            "latency of {} changes from none to 5 m",
        ),
        ({"description": {"usage": "a"}}, {"description": {"usage": "b"}}, "usage of {} changes from a to b"),
        ({"price": {"priceAmount": 1}}, {"price": {"priceAmount": 2}}, "price of {} changes"),
        (
            {"customProperties": [{"property": "delivery", "value": "exactlyOnce", "vendor": "hansa"}]},
            {"customProperties": [{"property": "delivery", "value": "atLeastOnce", "vendor": "hansa"}]},
            "delivery of {} changes from exactlyOnce to atLeastOnce",
        ),
    ],
)
def test_each_term_that_differs_is_told(old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    assert told(old, new) == [f"the {text.format(PORT)}"]


def test_rules_of_quality_are_told_with_the_field_that_they_are_of() -> None:
    def contract(most: int, *rules: dict[str, Any]) -> dict[str, Any]:
        field = {"name": "total", "quality": [{"metric": "nullValues", "mustBe": most}]}
        return {"schema": [{"name": "orders", "properties": [field], "quality": list(rules)}]}

    counted = {"name": "many", "metric": "rowCount", "mustBeGreaterThan": 9}
    found = terms_changed({PORT: contract(0)}, {PORT: contract(5, counted)})
    assert [(one.kind, one.what, one.path, one.text) for one in found] == [
        ("added", "terms", "", f"in {PORT}, the rule many is new: mustBeGreaterThan 9"),
        ("changed", "terms", "total", f"in {PORT}, the rule nullValues of total changes from mustBe 0 to mustBe 5"),
    ]


def test_what_is_compared_elsewhere_is_not_told_twice() -> None:
    old = {"version": "1.0.0", "schema": [{"name": "o", "properties": []}], "description": {"purpose": "a"}}
    strange = [
        {"property": "delivery", "value": 1, "vendor": "other"},
        {"property": "subject", "value": "x", "vendor": "hansa"},
    ]
    assert told(old, {"version": "1.1.0", "description": {"purpose": "b"}, "customProperties": strange}) == []
    assert terms_changed({}, {}) == list[Change]()
