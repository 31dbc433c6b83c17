"""What changed between two versions of a contract, in words, with evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hansa.contracts.changelog import ChangeLog, ContractChange, change_log
from hansa.contracts.compatibility.verdict import RULES, Direction
from hansa.contracts.document import parse_document
from hansa.contracts.odcs import contract_of

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.stock
version: 1.0.0
status: active
description:
  purpose: What there is.
schema:
  - name: stock
    properties:
      - name: item
        logicalType: string
        required: true
        primaryKey: true
        quality:
          - metric: duplicateValues
            mustBe: 0
      - name: count
        logicalType: integer
      - name: place
        logicalType: object
        properties:
          - name: shelf
            logicalType: string
slaProperties:
  - property: retention
    value: 90
    unit: d
customProperties:
  - property: partitions
    value: 2
    vendor: hansa
  - property: owner
    value: ada
    vendor: somebody
"""
REFERENCE = "        relationships:\n          - to: shelves.number\n"
UNCHECKED = f"""{REFERENCE}\
            customProperties:
              - property: enforced
                value: false
                vendor: hansa
"""
Said = tuple[str, str, str]


@pytest.fixture
def told() -> Callable[..., ChangeLog]:
    """The change log from the contract to what it is with `changes` made in its text."""

    def log(*changes: tuple[str, str]) -> ChangeLog:
        text = CONTRACT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return change_log(contract_of(parse_document(CONTRACT, "old")), contract_of(parse_document(text, "new")))

    return log


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("logicalType: integer", "logicalType: string",
         ("breaking", "count", "count changes from integer to string: what was written before no longer fits, and "
          "readers that have the old schema break.")),
        ("      - name: count\n        logicalType: integer\n", "",
         ("breaking", "count", "count is gone: readers that have the old schema break.")),
        ("      - name: count\n", "      - name: note\n        logicalType: string\n      - name: count\n",
         ("added", "note", "note is new and may be missing.")),
        ("name: shelf\n", "name: shelf\n            description: Where.\n",
         ("metadata", "place.shelf", "place.shelf is described differently.")),
        ("value: 90", "value: 30", ("changed", "", "The SLA retention changes from 90 d to 30 d.")),
        ("slaProperties:\n", "slaProperties:\n  - property: latency\n    value: 5\n    unit: s\n",
         ("added", "", "The SLA latency is new: 5 s.")),
        ("slaProperties:\n  - property: retention\n    value: 90\n    unit: d\n", "",
         ("removed", "", "The SLA retention is gone; it was 90 d.")),
        ("mustBe: 0", "mustBe: 1",
         ("changed", "item", "The rule duplicateValues of item changes from mustBe 0 to mustBe 1.")),
        ("value: 2", "value: 4", ("changed", "", "The term partitions changes from 2 to 4.")),
        ("status: active", "status: deprecated", ("changed", "", "The status changes from active to deprecated.")),
        ("What there is.", "What stands there.", ("metadata", "", "Description changes.")),
        ("value: ada", "value: bert", ("metadata", "", "Custom properties of other vendors change.")),
        ("id: shop.stock\n", "id: shop.stock\ndataProduct: shop.orders\n", ("metadata", "", "Data product comes.")),
        ("      - name: place\n", "        unique: true\n      - name: place\n",
         ("changed", "count", "count changes from not unique to unique.")),
        ("      - name: place\n", f"{REFERENCE}      - name: place\n",
         ("added", "count", "count refers to shelves.number from now on, and whoever publishes is held to it.")),
        ("      - name: place\n", f"{UNCHECKED}      - name: place\n",
         ("metadata", "", "References that nobody checks change.")),
    ],
)  # fmt: skip
def test_a_change_is_said_in_a_sentence(told: Callable[..., ChangeLog], old: str, new: str, said: Said) -> None:
    assert [(one.kind, one.path, one.text) for one in told((old, new)).entries] == [said]


def test_nothing_changed_where_nothing_did(told: Callable[..., ChangeLog]) -> None:
    assert told().entries == []
    assert told(("version: 1.0.0", "version: 1.0.1")).entries == []


def test_a_reference_that_changes_or_goes_hits_no_reader(told: Callable[..., ChangeLog]) -> None:
    before = told(("      - name: place\n", f"{REFERENCE}      - name: place\n"))
    assert before.mode is told().mode
    assert not before.is_breaking
    older, newer, without = (
        contract_of(parse_document(CONTRACT.replace("      - name: place\n", f"{text}      - name: place\n"), "c"))
        for text in (REFERENCE, REFERENCE.replace("number", "code"), "")
    )
    [moved], [gone] = change_log(older, newer).entries, change_log(older, without).entries
    assert (moved.kind, moved.path, moved.code, moved.hits) == ("changed", "count", "reference.changed", [])
    assert moved.text == "count refers to shelves.code, and referred to shelves.number."
    assert (gone.kind, gone.text) == ("removed", "count refers to shelves.number no more.")


def test_a_change_of_the_schema_keeps_its_evidence(told: Callable[..., ChangeLog]) -> None:
    log = told(("logicalType: integer", "logicalType: string"), ("version: 1.0.0", "version: 1.1.0"))
    assert (log.older, log.newer, log.rules, log.is_breaking) == ("1.0.0", "1.1.0", RULES, True)
    assert log.entries == [
        ContractChange(
            "breaking", "count", log.entries[0].text, "type.changed", "logicalType",
            [Direction.OLD_READERS, Direction.READERS_OF_OLD_DATA],
        )
    ]  # fmt: skip


def test_what_the_mode_leaves_unprotected_is_a_change_and_breaks_nothing(told: Callable[..., ChangeLog]) -> None:
    mode = "customProperties:\n  - property: compatibility\n    value: NONE\n    vendor: hansa\n"
    log = told(("customProperties:\n", mode), ("      - name: count\n        logicalType: integer\n", ""))
    assert not log.is_breaking
    assert ("removed", "count") in [(one.kind, one.path) for one in log.entries]


def test_what_breaks_comes_first_and_metadata_last(told: Callable[..., ChangeLog]) -> None:
    log = told(("What there is.", "x"), ("value: 90", "value: 30"), ("logicalType: integer", "logicalType: string"))
    assert [one.kind for one in log.entries] == ["breaking", "changed", "metadata"]


def test_a_contract_of_an_example_has_not_changed_from_itself() -> None:
    from hansa.contracts.odcs import read_contract_file

    for path in (Path(__file__).parents[3] / "examples").rglob("*.odcs.yaml"):
        contract = read_contract_file(path)
        assert change_log(contract, contract).entries == []


def test_dates_are_told_as_dates_and_a_window_as_what_it_does(told: Callable[..., ChangeLog]) -> None:
    sla = "    unit: d\n  - property: endOfLife\n    value: '2031-12-31'\n"
    log = told(("    unit: d\n", sla))
    assert [(one.kind, one.path, one.text) for one in log.entries] == [
        ("added", "", "The version is served until 2031-12-31; no such date was set before.")
    ]
    window = "  - {property: window, value: {previous: 1, upgrade: up, downgrade: down}, vendor: hansa}\n"
    newer = told(
        ("version: 1.0.0", "version: 2.0.0"),
        ("    unit: d\n", sla),
        ("customProperties:\n", "customProperties:\n" + window),
    )
    assert [(one.kind, one.path, one.text) for one in newer.entries] == [
        ("added", "", "The version is served until 2031-12-31; no such date was set before."),
        ("added", "", "The version is served beside major 1: up translates up and down down."),
    ]
