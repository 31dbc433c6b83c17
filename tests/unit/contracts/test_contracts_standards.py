"""What the standards do not allow is a finding with its line, its code and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hansa.contracts.document import parse_document
from hansa.contracts.odcs import read_contract
from hansa.contracts.standards.check import check_document
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.standards.odps import ODPS
from hansa.errors import PlanError

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
status: active
description: {purpose: Orders., anything: goes}
servers:
  - {server: prod, type: postgres, host: db, port: 5432, database: shop, schema: public}
schema:
  - name: orders
    properties:
      - name: id
        logicalType: string
        logicalTypeOptions: {minLength: 1}
        quality:
          - {metric: nullValues, mustBe: 0}
      - name: tags
        logicalType: map
        map: {key: {logicalType: string}, value: {logicalType: string}}
slaProperties:
  - {property: retention, value: 30, unit: d}
customProperties:
  - {property: compatibility, value: FULL, vendor: hansa}
  - {property: anything, value: [1, {a: b}], vendor: somebody}
"""

PRODUCT = """\
apiVersion: v1.1.0
kind: DataProduct
id: shop.orders
outputPorts:
  - {name: orders, version: 1.0.0, type: stream, contractId: orders}
support:
  - {channel: chat, url: "https://example.org"}
"""


def told(text: str) -> list[tuple[str, int, str, str | None]]:
    grammar = ODPS if "DataProduct" in text else ODCS
    found = check_document(parse_document(text, "x.yaml"), grammar)
    return [(finding.code, finding.line, finding.message, finding.hint) for finding in found]


@pytest.mark.parametrize("text", [CONTRACT, PRODUCT], ids=["odcs", "odps"])
def test_a_valid_document_has_no_findings(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "words"),
    [
        ("status: active", "satus: active", "field.unknown", 5, "Did you mean 'status'"),
        ("logicalType: string\n", "logicalTipe: string\n", "field.unknown", 13, "Did you mean 'logicalType'"),
        ("database: shop", "databse: shop", "field.unknown", 8, "Did you mean 'database'"),
        ("database: shop, ", "", "file.key_missing", 8, "'database' is missing"),
        ("type: postgres", "type: postgrs", "field.choice", 8, "Did you mean 'postgres'"),
        ("port: 5432", "port: [5432]", "file.wrong_type", 8, "port is a list, not a whole number or text"),
        ("minLength: 1", "minimum: 1", "field.unknown", 14, "'minimum'"),
        ("metric: nullValues", "metric: nulValues", "field.choice", 16, "Did you mean 'nullValues'"),
        ("value: 30", "values: 30", "file.key_missing", 21, "'value' is missing"),
        ("version: 1.0.0", "version: 1.10", "yaml.unquoted", 4, 'version: "1.10"'),
        ("version: 1.0.0", "version: 0x1F", "yaml.unquoted", 4, 'version: "0x1F"'),
        ("id: orders", "id: 007", "yaml.unquoted", 3, 'id: "007"'),
        ("purpose: Orders.", "purpose: true", "yaml.unquoted", 6, 'purpose: "true"'),
        ("purpose: Orders.", "purpose: ", "file.wrong_type", 6, "purpose is empty, not text"),
        ("v3.2.0", "v3.9.0", "document.standard", 1, "v3.2.0"),
        ("v3.2.0", "v3.1.0", "field.newer", 18, "'map' came with ODCS v3.2.0"),
        ("v3.2.0", "v3.1.0", "field.newer", 24, "'vendor' came with ODCS v3.2.0"),
        ("value: FULL", "value: FUL", "field.choice", 23, "Did you mean 'FULL'"),
        ("property: compatibility", "property: compatability", "custom.unknown", 23, "Did you mean 'compatibility'"),
        ("property: compatibility", "property: owner", "custom.unknown", 23, "Here it has orderingKey"),
    ],
)  # fmt: skip
def test_what_a_contract_may_not_say(old: str, new: str, code: str, line: int, words: str) -> None:
    assert old in CONTRACT
    found = told(CONTRACT.replace(old, new, 1))
    assert (code, line) in [(c, n) for c, n, message, hint in found if words in f"{message} {hint}"]


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "words"),
    [
        ("outputPorts", "outPorts", "field.unknown", 4, "Did you mean 'outputPorts'"),
        ("contractId", "contractID", "field.unknown", 5, "Did you mean 'contractId'"),
        (', url: "https://example.org"', "", "file.key_missing", 7, "'url' is missing"),
        ("version: 1.0.0", "version: 2.0", "yaml.unquoted", 5, 'version: "2.0"'),
        ("id: shop.orders", "id: shop.orders\nstatus: {}", "file.wrong_type", 4, "status is a mapping, not text"),
        ("v1.1.0", "1.1.0\ndeprecated: no", "file.wrong_type", 2, "deprecated is 'no', not true or false"),
        ("v1.1.0", "v1.0.0\ndeprecated: true", "field.newer", 2, "came with ODPS v1.1.0"),
    ],
)  # fmt: skip
def test_what_a_product_may_not_say(old: str, new: str, code: str, line: int, words: str) -> None:
    assert old in PRODUCT
    found = told(PRODUCT.replace(old, new, 1))
    assert (code, line) in [(c, n) for c, n, message, hint in found if words in f"{message} {hint}"]


def test_up_to_3_0_most_objects_were_open() -> None:
    text = CONTRACT.replace("mustBe: 0}", "mustBe: 0, own: 1}")
    assert [code for code, *_ in told(text)] == ["field.unknown"]
    old = (
        text.replace("v3.2.0", "v3.0.2")
        .replace(", vendor: hansa", "")
        .replace("logicalType: map", "logicalType: object")
    )
    assert [code for code, *_ in told(old.replace("        map: {key", "        x: {key"))] == ["field.unknown"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\n---\nb: 2\n", "yaml.many_documents", 2),
        ("a:\n\tb: 1\n", "yaml.tab", 2),
        ("a: &x [1]\nb: *x\n", "yaml.anchor", 1),
        ("a: 1\nb: *x\n", "yaml.anchor", 2),
        ("a: 1\nb: 2\na: 3\n", "yaml.duplicate_key", 3),
        ("a: .nan\n", "yaml.number", 1),
        ("a: 1e999\n", "yaml.number", 1),
        ("a: 1\nb: 18446744073709551616\n", "yaml.number", 2),
        (f"a: {'9' * 5000}\n", "yaml.number", 1),
        ("<<: {a: 1}\n<<: {b: 1}\n", "yaml.duplicate_key", 2),
        ("a: " + "x" * (1 << 20), "yaml.too_large", 0),
        ("a: " + "[" * 5000 + "]" * 5000, "yaml.syntax", 1),
        ("\n".join(f"{' ' * level}a:" for level in range(66)), "yaml.syntax", 65),
        ("a: !!python/name:os.system\n", "yaml.syntax", 1),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else str(value),
)
def test_yaml_that_is_not_read(text: str, code: str, line: int) -> None:
    with pytest.raises(PlanError) as refused:
        parse_document(text, "x.yaml")
    assert [(f["code"], f["file"], f["line"]) for f in refused.value.details["findings"]] == [(code, "x.yaml", line)]
    assert refused.value.hint or code == "yaml.syntax"


def test_what_is_nested_is_read_as_deep_as_is_told() -> None:
    assert parse_document("\n".join(f"{' ' * level}a:" for level in range(64)), "x.yaml").data


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    with pytest.raises(PlanError) as refused:
        parse_document("\n".join(lines), "x.yaml")
    assert refused.value.code == "yaml.anchor"
    assert "x.yaml:1:" in refused.value.message


def test_a_typing_error_in_a_type_makes_no_second_finding_of_what_hangs_on_it(tmp_path: Path) -> None:
    for wrong, code in (("logicalTyp: string", "field.unknown"), ("logicalType: strng", "contract.type_unknown")):
        file = tmp_path / "contract.yaml"
        file.write_text(
            "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: 1.0.0\nstatus: active\nschema:\n"
            f"  - name: a\n    properties:\n      - name: b\n        {wrong}\n"
            "        logicalTypeOptions: {minLength: 1}\n"
        )
        with pytest.raises(PlanError) as refused:
            read_contract(file)
        assert [finding["code"] for finding in refused.value.details["findings"]] == [code]
