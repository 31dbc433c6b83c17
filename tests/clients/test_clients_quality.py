"""`datacontract test` comes to the same verdicts as the rules that Hansa compiles, on the same data."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from strangers import stranger

from hansa.contracts.odcs import read_contract
from hansa.contracts.quality.tables import check_file
from hansa.contracts.write import yaml_text

DATACONTRACT = "datacontract-cli[duckdb]==1.2.8"
METRICS = {"field_null_values": "nullValues", "field_invalid_values": "invalidValues",
           "field_duplicate_values": "duplicateValues"}  # fmt: skip


def rule(metric: str, operator: str, bound: object, **more: object) -> dict[str, object]:
    return {"type": "library", "metric": metric, operator: bound, **more}


def document() -> dict[str, Any]:
    kinds, codes = {"validValues": ["letter", "box"]}, {"pattern": "^[A-Z]{3}-[0-9]{4}$"}
    return {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "parcels", "version": "1.0.0", "status": "active",
        "servers": [{"server": "here", "type": "local", "path": "parcels.parquet", "format": "parquet"}],
        "schema": [{"name": "parcels", "properties": [
            {"name": "number", "logicalType": "integer", "quality": [
                rule("duplicateValues", "mustBe", 0), rule("nullValues", "mustBe", 0)]},
            {"name": "kind", "logicalType": "string", "quality": [
                rule("invalidValues", "mustBe", 0, arguments=kinds), rule("nullValues", "mustBeLessThan", 5)]},
            {"name": "code", "logicalType": "string", "quality": [
                rule("invalidValues", "mustBeLessOrEqualTo", 2, arguments=codes),
                rule("duplicateValues", "mustBeGreaterThan", 1), rule("nullValues", "mustBeBetween", [1, 3])]},
        ]}],
    }  # fmt: skip


FRAMES = {
    "good": {"number": [1, 2, 3, 4], "kind": ["box", "letter", "box", None],
             "code": ["ABC-0001", "ABC-0001", "ABC-0001", None]},
    "bad": {"number": [1, 2, 2, None], "kind": ["crate", "letter", "box", "box"],
            "code": ["abc", "ABC-1", "xABC-0001", "ABC-0001"]},
    "null": {"number": [1, 2, 3, 4, 5], "kind": [None] * 5, "code": ["ABC-0001", None, None, None, None]},
}  # fmt: skip


COUNTED_OTHERWISE = {("good", "code.duplicateValues")}
"""It counts the values that come more than once, we the rows behind the first of each, as bounds are in rows: one value
three times is 1 there and 2 here. They differ only where a bound other than none is between."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMES)
def test_verdicts_are_those_of_datacontract(name: str, tmp_path: Path) -> None:
    file, data = tmp_path / "parcels.odcs.yaml", tmp_path / "parcels.parquet"
    file.write_text(yaml_text(document()))
    schema = {"number": pl.Int64, "kind": pl.String, "code": pl.String}
    pl.DataFrame(FRAMES[name], schema=schema).write_parquet(data)
    ours = {result.rule: result.state == "passed" for result in check_file(read_contract(file), data)}
    assert len(ours) == 7
    told = theirs(file)
    assert {(name, rule) for rule in ours if ours[rule] != told[rule]} == {
        one for one in COUNTED_OTHERWISE if one[0] == name
    }
    assert told.keys() == ours.keys()


def theirs(file: Path) -> dict[str, bool]:
    """By the ids that the rules have here."""
    result = file.with_suffix(".json")
    done = subprocess.run(
        [stranger(DATACONTRACT) / "datacontract", "test", "--output", result, "--output-format", "json", file.name],
        cwd=file.parent, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    checks = json.loads(result.read_text())["checks"]
    return {f"{c['field']}.{METRICS[c['type']]}": c["result"] == "passed" for c in checks if c["type"] in METRICS}
