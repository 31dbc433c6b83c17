from __future__ import annotations

from typing import Any

import pytest

from hansa.contracts.custom import Window
from hansa.model.ids import PortId
from hansa.protocols.schema_registry.migration import migration_rules

PORT = PortId.parse("operations.flights/departures@2")
WINDOWS = {2: Window(1, "minutes * 60", "$floor(seconds / 60)"), 3: Window(2, "to_three", "to_two")}


def told(rules: dict[str, Any] | None) -> dict[str, str]:
    assert rules is not None
    assert {(rule["kind"], rule["type"]) for rule in rules["migrationRules"]} == {("TRANSFORM", "JSONATA")}
    return {rule["mode"]: rule["expr"] for rule in rules["migrationRules"]}


def test_within_a_major_nothing_is_translated() -> None:
    assert migration_rules(PORT, 2, 2, WINDOWS) is None


def test_a_version_behind_an_older_major_has_the_windows_translators() -> None:
    assert told(migration_rules(PORT, 1, 2, WINDOWS)) == {
        "UPGRADE": "minutes * 60",
        "DOWNGRADE": "$floor(seconds / 60)",
    }


def test_behind_a_newer_major_the_way_on_is_the_way_down() -> None:
    assert told(migration_rules(PORT, 2, 1, WINDOWS)) == {
        "UPGRADE": "$floor(seconds / 60)",
        "DOWNGRADE": "minutes * 60",
    }


@pytest.mark.parametrize(("before", "major"), [(2, 3), (1, 3), (3, 4)])
def test_where_no_jsonata_leads_the_rule_fails_and_names_the_topic(before: int, major: int) -> None:
    rules = told(migration_rules(PORT, before, major, WINDOWS))
    assert rules["UPGRADE"].startswith("$error(")
    assert f"operations-flights-departures-v{major}" in rules["UPGRADE"]
    assert f"operations-flights-departures-v{before}" in rules["DOWNGRADE"]
