"""A contract made from a derived schema says the same types as the contract that the schema was derived from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields as members_of
from dataclasses import is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.support.contracts import EVERY_TYPE, contracts

from hansa.contracts.odcs import read_contract
from hansa.contracts.scaffold import arrow as from_arrow
from hansa.contracts.scaffold import avro as from_avro
from hansa.contracts.scaffold import json_schema as from_json_schema
from hansa.contracts.scaffold import protobuf as from_protobuf
from hansa.contracts.scaffold import python_type as from_python
from hansa.contracts.scaffold.draft import Draft, document_of, yaml_text
from hansa.contracts.schemas import arrow, avro, json_schema, logical, protobuf
from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.logical import Struct
from hansa.contracts.types import record_type
from hansa.model.product import ContractSpec

ROUTES: dict[str, Callable[[Struct], Draft]] = {
    "avro": lambda record: from_avro.read(json.loads(json.dumps(avro.derive(record)))),
    "json": lambda record: from_json_schema.read(json.loads(json.dumps(json_schema.derive(record)))),
    "protobuf": lambda record: from_protobuf.read(protobuf.derive(record, package="operations.flights")),
    "arrow": lambda record: from_arrow.read(record.name, arrow.derive(record)),
}


def read_back(draft: Draft) -> Struct:
    """The record of the draft's document, as it is read from its file."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "made.odcs.yaml")
        file.write_text(yaml_text(document_of(draft, "operations.flights.departures")), "utf-8")
        return record_of(read_contract(file))


def plain(kind: Any) -> Any:
    """A type without what is no type: limits, the names of nested types, whether a field may be null."""
    if isinstance(kind, tuple):
        return tuple(plain(one) for one in kind)
    if not is_dataclass(kind) or isinstance(kind, type):
        return kind
    if isinstance(kind, logical.Field):
        return kind.name, plain(kind.type)
    dropped = {"limits", "description"} | (set() if isinstance(kind, logical.Field) else {"name"})
    return type(kind).__name__, *(plain(getattr(kind, one.name)) for one in members_of(kind) if one.name not in dropped)


def carried(record: Any, form: str) -> Any:
    """What a format has of the types: Avro no widths below 32 bits and no sizes, JSON no widths, Avro no seconds."""
    found = repr(plain(record))
    if form == "avro":
        for narrow, wide in (("8, True", "32, True"), ("16, True", "32, True"), ("8, False", "32, True")):
            found = found.replace(f"'Integer', {narrow}", f"'Integer', {wide}")
        found = found.replace("'Integer', 16, False", "'Integer', 32, True").replace(
            "'Integer', 32, False", "'Integer', 64, True"
        )
        found = found.replace("'s', ", "'ms', ")
    if form in ("avro", "json"):
        for size in (1, 2, 3):
            found = found.replace(f"), {size})", "), None)")
    if form == "json":
        for width in (8, 16, 32):
            for sign in (True, False):
                found = found.replace(f"'Integer', {width}, {sign}", "'Integer', 64, True")
        found = found.replace("'Real', 32", "'Real', 64")
    return found


@pytest.mark.parametrize("form", ROUTES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contract=contracts())
def test_types_survive_the_way_back(form: str, contract: ContractSpec) -> None:
    record = record_of(contract)
    assert carried(read_back(ROUTES[form](record)), form) == carried(record, form)


@pytest.mark.parametrize("form", ROUTES)
def test_nulls_descriptions_and_defaults_survive_the_way_back(form: str) -> None:
    record = record_of(EVERY_TYPE)
    found = read_back(ROUTES[form](record))
    assert found.description == "Every departure."
    for was, now in zip(record.fields, found.fields, strict=True):
        assert (now.name, now.description) == (was.name, was.description)
        assert now.is_required is was.is_required or form == "protobuf"
        assert now.default == was.default or form in ("protobuf", "arrow")


def test_protobuf_says_which_single_values_are_always_there() -> None:
    found = {field.name: field for field in read_back(ROUTES["protobuf"](record_of(EVERY_TYPE))).fields}
    assert [name for name, field in found.items() if field.is_required] == [
        *("flight_id", "run_id", "state", "is_late", "seats", "tags")
    ]


def test_the_class_for_authors_is_a_source_too() -> None:
    """Python has no widths, units, precisions and sizes, and msgspec sorts the values of a Literal."""
    record = record_of(EVERY_TYPE)
    found = read_back(from_python.read(record_type("Departure", EVERY_TYPE)))
    by_name = {field.name: field for field in found.fields}
    assert by_name.keys() == {field.name for field in record.fields}
    for field in record.fields:
        assert by_name[field.name].is_required is field.is_required
        assert by_name[field.name].default == field.default
        if field.name not in ("price", "seats", "opens_at", "left_at", "fees", "embedding", "state", "crew"):
            assert plain(by_name[field.name].type) == plain(field.type)


def test_a_draft_is_read_as_it_was_written() -> None:
    draft = Draft("departures", EVERY_TYPE.fields, EVERY_TYPE.description)
    assert read_back(draft) == record_of(replace(EVERY_TYPE, id="operations.flights.departures"))
    assert msgspec.json.encode(document_of(draft, "a.b.c"))
