"""`hansa contract`: a first contract from a sample, and the schemas of one."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from hansa.cli.app import run
from hansa.cli.scaffold import scaffold
from hansa.contracts.odcs import read_contract
from hansa.model.ids import ProductId

SAMPLE = "id,amount,note\n1,2.5,\n2,3,\n"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    scaffold(ProductId("shop", "orders"), tmp_path / "orders")
    (tmp_path / "orders.csv").write_text(SAMPLE)
    return tmp_path / "orders"


def test_a_contract_from_a_sample_is_read_as_it_was_seen(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["contract", "new", "bills@2", "--from", str(product.parent / "orders.csv"), "--folder", str(product)]
    assert run(arguments) == 0
    file = product / "contracts" / "bills@2.odcs.yaml"
    told = capsys.readouterr().out
    assert f"{file} has 3 fields" in told
    assert "open: note: it is never filled in the sample" in told
    spec = read_contract(file)
    assert (spec.id, spec.version, spec.status) == ("shop.orders.bills", "2.0.0", "draft")
    assert [(field.name, field.type, field.required) for field in spec.fields] == [
        ("id", "integer", True),
        ("amount", "number", True),
        ("note", "any", False),
    ]
    assert run(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    arguments[2] = "bills@two"
    assert run(arguments) == 1
    assert "bills@two" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["avro", "json-schema", "json-schema-open", "protobuf", "postgresql", "duckdb"])
def test_the_schema_of_a_contract_is_printed(form: str, product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["contract", "schema", str(product / "contracts" / "greetings@1.odcs.yaml"), "--as", form]) == 0
    told = capsys.readouterr().out
    if form == "avro":
        assert (json.loads(told)["namespace"], json.loads(told)["name"]) == ("shop.orders", "Greeting")
    elif form.startswith("json-schema"):
        assert json.loads(told).get("additionalProperties", True) is (form == "json-schema-open")
    elif form == "protobuf":
        assert "package shop.orders;" in told
    else:
        assert 'PRIMARY KEY ("visitor")' in told
    if form == "duckdb":
        with duckdb.connect() as database:
            database.execute(told)


def test_numbers_are_kept_from_the_file_that_was_published(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before.proto"
    before.write_text('syntax = "proto3"; message Greeting { string gone = 1; string text = 4; }')
    file = str(product / "contracts" / "greetings@1.odcs.yaml")
    assert run(["contract", "schema", file, "--as", "protobuf", "--previous", str(before)]) == 0
    told = capsys.readouterr().out
    assert "reserved 1;" in told
    assert "string text = 4;" in told
    assert "string visitor = 5;" in told


def test_what_a_format_cannot_carry_is_said_with_its_path(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["contract", "new", "bills", "--from", str(tmp_path / "orders.csv"), "--folder", str(product)]) == 0
    assert run(["contract", "schema", str(product / "contracts" / "bills@1.odcs.yaml"), "--as", "avro"]) == 1
    assert "note: Avro cannot carry type any [schema.unrepresentable]" in " ".join(capsys.readouterr().err.split())
