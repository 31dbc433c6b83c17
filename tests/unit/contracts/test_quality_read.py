"""Quality rules out of ODCS: what they come to, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hansa.contracts.odcs import examine_contract
from hansa.contracts.quality.read import wrong_pattern
from hansa.contracts.write import yaml_text
from hansa.model.product import RuleSpec

OURS = {"vendor": "hansa"}


def contract(*rules: dict[str, Any], whole: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    properties = [{"name": "kind", "logicalType": "string", "quality": list(rules)}, {"name": "n"}]
    schema = [{"name": "wares", "quality": list(whole), "properties": properties}]
    return {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "w", "version": "1.0.0", "schema": schema, **more}


def read(tmp_path: Path, document: dict[str, Any]) -> tuple[tuple[RuleSpec, ...], list[str]]:
    path = tmp_path / "w.odcs.yaml"
    path.write_text(yaml_text(document))
    found, findings = examine_contract(path)
    assert all(finding.line > 0 for finding in findings)
    return found.spec.rules, [finding.code for finding in findings]


def test_every_kind_of_rule_is_read(tmp_path: Path) -> None:
    rules, findings = read(
        tmp_path,
        contract(
            {"metric": "nullValues", "mustBe": 0, "severity": "warning", "dimension": "completeness"},
            {"id": "known", "metric": "invalidValues", "mustBeLessThan": 5, "unit": "percent",
             "arguments": {"validValues": ["a", None]}},
            {"type": "sql", "query": "select 1", "mustBeBetween": [1, 2]},
            {"type": "custom", "engine": "soda", "implementation": "x"},
            {"type": "text", "description": "words"},
            {"metric": "nullValues", "mustBe": 0,
             "customProperties": [{"property": "onViolation", "value": "quarantine", **OURS}]},
            whole=({"metric": "rowCount", "mustBeGreaterThan": 0},
                   {"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["kind", "n"]}}),
        ),
    )  # fmt: skip
    assert findings == []
    assert [(r.id, r.kind, r.operator, r.operands, r.unit, r.action) for r in rules] == [
        ("rowCount", "library", "mustBeGreaterThan", (0,), "rows", None),
        ("duplicateValues", "library", "mustBe", (0,), "rows", None),
        ("kind.nullValues", "library", "mustBe", (0,), "rows", "warn"),
        ("known", "library", "mustBeLessThan", (5,), "percent", None),
        ("kind.sql", "sql", "mustBeBetween", (1, 2), "rows", None),
        ("kind.custom", "custom", "", (), "rows", None),
        ("kind.text", "text", "", (), "rows", None),
        ("kind.nullValues#2", "library", "mustBe", (0,), "rows", "quarantine"),
    ]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "a(?=b)"}}, "quality.pattern"),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "["}}, "quality.pattern"),
        ({"metric": "invalidValues", "mustBe": 0}, "quality.argument"),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": []}}, "quality.argument"),
        ({"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": "n/a"}}, "quality.argument"),
        ({"metric": "nullValues", "mustBe": "none"}, "quality.operand"),
        ({"metric": "nullValues", "mustBe": True}, "quality.operand"),
        ({"metric": "nullValues", "mustBeBetween": [3, 1]}, "quality.operand"),
        ({"metric": "nullValues", "mustBeBetween": [3]}, "quality.operand"),
        ({"metric": "nullValues", "mustBe": 0, "mustNotBe": 1}, "quality.operator"),
        ({"metric": "nullValues", "mustBe": 0, "unit": "parts"}, "quality.unit"),
        ({"metric": "rowCount", "mustBe": 1}, "quality.place"),
    ],
)
def test_what_could_not_be_carried_out_is_refused(tmp_path: Path, rule: dict[str, Any], code: str) -> None:
    rules, findings = read(tmp_path, contract(rule))
    assert (rules, code in findings) == ((), True)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"metric": "nullValues", "mustBe": 0}, "quality.place"),
        ({"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["kin"]}}, "contract.field_unknown"),
    ],
)
def test_a_rule_of_the_records_as_a_whole_names_what_there_is(tmp_path: Path, rule: dict[str, Any], code: str) -> None:
    assert code in read(tmp_path, contract(whole=(rule,)))[1]


@pytest.mark.parametrize("pattern", ["[A-Z]{3}", r"N[1-9]\d{0,4}", r"a+?b*", r"\++", "(?i)x", "(?:a|b)", r"\d+\.\d+"])
def test_patterns_that_every_engine_reads_are_taken(pattern: str) -> None:
    assert wrong_pattern(pattern) is None


@pytest.mark.parametrize("pattern", ["a(?!b)", "(?<=a)b", r"(a)\1", "(?P<n>a)(?P=n)", "a++", "(?>a)", "(a)(?(1)b|c)"])
def test_patterns_that_some_engine_lacks_are_refused(pattern: str) -> None:
    assert wrong_pattern(pattern) is not None
