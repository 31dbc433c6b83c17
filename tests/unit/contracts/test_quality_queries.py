"""Rules in SQL over a file: what they measure, and what they cannot reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hansa.contracts.odcs import read_contract
from hansa.contracts.quality.tables import check_file
from hansa.contracts.write import yaml_text
from hansa.model.run import CheckResult


def checked(tmp_path: Path, *rules: dict[str, Any]) -> list[CheckResult]:
    rows = tmp_path / "it's orders.csv"
    rows.write_text("order,cents\na,1\nb,\nc,250\n")
    cents = {"name": "cents", "logicalType": "integer", "quality": list(rules)}
    schema = [{"name": "orders", "physicalName": "tbl_orders", "properties": [{"name": "order"}, cents]}]
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "o", "version": "1.0.0", "schema": schema}
    path = tmp_path / "o.odcs.yaml"
    path.write_text(yaml_text(document))
    return check_file(read_contract(path), rows)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM ${object} WHERE ${property} > 100",
        "SELECT count(*) FROM {table} WHERE {column} > 100",
        "select count(*) from orders where cents > 100;",
        "WITH big AS (SELECT * FROM tbl_orders WHERE cents > 100) SELECT count(*) FROM big",
    ],
)
def test_a_query_selects_the_number_that_is_held_against_the_bound(tmp_path: Path, query: str) -> None:
    kept = {"name": "few", "type": "sql", "query": query, "mustBeBetween": [1, 2]}
    broken = {"name": "none", "type": "sql", "query": query, "mustBe": 0}
    mild = {**broken, "name": "mild", "severity": "warning"}
    assert [(one.rule, one.state, one.measured) for one in checked(tmp_path, kept, broken, mild)] == [
        ("few", "passed", 1.0), ("none", "failed", 1.0), ("mild", "warning", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT count(*) FROM read_text('/etc/hostname')", "Permission Error"),
        ("COPY orders TO 'it''s orders.csv'", "not one SELECT"),
        ("SELECT 1; SELECT 2", "not one SELECT"),
        ("SET enable_external_access = true", "not one SELECT"),
        ("SELECT * FROM orders", "one value"),
        ('SELECT min("order") FROM orders', "could not convert"),
        ("SELECT count(*) FROM others", "Catalog Error"),
        ("SELEC 1", "Parser Error"),
    ],
)
def test_a_query_that_reaches_further_or_says_no_number_is_told(tmp_path: Path, query: str, why: str) -> None:
    [result] = checked(tmp_path, {"type": "sql", "query": query, "mustBe": 1})
    assert (result.state, why in result.note) == ("error", True), result.note


def test_a_query_without_a_bound_is_skipped(tmp_path: Path) -> None:
    [result] = checked(tmp_path, {"type": "sql", "query": "SELECT 1"})
    assert (result.state, result.note) == ("skipped", "it says no mustBe…")
