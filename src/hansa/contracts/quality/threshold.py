"""What a rule's measured number is compared with: ODCS 3.2, section data quality, the eight operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hansa.model.product import RuleSpec

_TESTS: Final[dict[str, Callable[..., bool]]] = {
    "mustBe": lambda value, wanted: value == wanted,
    "mustNotBe": lambda value, wanted: value != wanted,
    "mustBeGreaterThan": lambda value, limit: value > limit,
    "mustBeGreaterOrEqualTo": lambda value, limit: value >= limit,
    "mustBeLessThan": lambda value, limit: value < limit,
    "mustBeLessOrEqualTo": lambda value, limit: value <= limit,
    "mustBeBetween": lambda value, low, high: low <= value <= high,
    "mustNotBeBetween": lambda value, low, high: not low <= value <= high,
}
_WORDS: Final = {
    "mustBe": "must be {}",
    "mustNotBe": "must not be {}",
    "mustBeGreaterThan": "must be greater than {}",
    "mustBeGreaterOrEqualTo": "must be {} or more",
    "mustBeLessThan": "must be less than {}",
    "mustBeLessOrEqualTo": "must be {} or less",
    "mustBeBetween": "must be from {} to {}",
    "mustNotBeBetween": "must not be from {} to {}",
}
OPERATORS: Final = tuple(_TESTS)
PAIRS: Final = frozenset({"mustBeBetween", "mustNotBeBetween"})
"""Operators with two operands; both count as within."""
_UPPER: Final = frozenset({"mustBe", "mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween"})
_SOME_PERCENT: Final = 1e-9


def accepts(rule: RuleSpec, value: float) -> bool:
    """Whether the rule holds for what was measured."""
    return _TESTS[rule.operator](value, *rule.operands)


def wanted(rule: RuleSpec) -> str:
    """`must be 5 percent or less`, without the unit."""
    return _WORDS[rule.operator].format(*rule.operands)


def allows_none(rule: RuleSpec) -> bool:
    """Whether not a single bad record is allowed: then each can be decided by itself."""
    least: Any = _SOME_PERCENT if rule.unit == "percent" else 1
    return rule.operator in _UPPER and accepts(rule, 0) and not accepts(rule, least)
