"""Whatever a contract says: a record that it permits comes back from each format as it went in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.contracts import contracts, values

from hansa.contracts.schemas import arrow, avro, json_schema, protobuf, sql
from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.logical import Struct
from hansa.contracts.types import record_type
from hansa.model.product import ContractSpec

Trip = Callable[[Struct, list[dict[str, Any]]], list[dict[str, Any]]]


def by_avro(record: Struct, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    codec = avro.Codec(record)
    return [codec.decode(codec.encode(row)) for row in rows]


def by_json(record: Struct, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    codec = json_schema.Codec(record)
    closed = jsonschema_rs.validator_for(codec.schema, validate_formats=True)
    encoded = [codec.encode(row) for row in rows]
    for data in encoded:
        closed.validate(msgspec.json.decode(data))
    return [codec.decode(data) for data in encoded]


def by_protobuf(record: Struct, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    codec = protobuf.Codec(record, package="operations.flights")
    return [codec.decode(codec.encode(row)) for row in rows]


def by_arrow(record: Struct, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    codec = arrow.Codec(record)
    return codec.decode(codec.encode(rows))


def by_duckdb(record: Struct, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    codec = arrow.Codec(record)
    database = duckdb.connect(config={"arrow_lossless_conversion": "true"})
    try:
        database.execute(sql.derive(record, "duckdb", "departures"))
        database.register("batch", codec.batch(rows))
        database.execute("INSERT INTO departures SELECT * FROM batch")
        table = database.execute("SELECT * FROM departures").to_arrow_table()
    finally:
        database.close()
    return [codec.plain(row) for row in table.to_pylist(maps_as_pydicts="strict")]


TRIPS: dict[str, Trip] = {
    "avro": by_avro,
    "json": by_json,
    "protobuf": by_protobuf,
    "arrow": by_arrow,
    "duckdb": by_duckdb,
}


@pytest.mark.parametrize("form", TRIPS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contract=contracts(), data=st.data())
def test_a_record_comes_back_as_it_went_in(form: str, contract: ContractSpec, data: st.DataObject) -> None:
    record = record_of(contract)
    rows = data.draw(st.lists(values(record), min_size=1, max_size=3))
    assert TRIPS[form](record, rows) == rows


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contract=contracts(), data=st.data())
def test_the_class_for_authors_holds_the_same_records(contract: ContractSpec, data: st.DataObject) -> None:
    record = record_of(contract)
    row = data.draw(values(record))
    made = msgspec.convert(row, record_type("Departure", contract))
    codec = avro.Codec(record)
    assert msgspec.convert(codec.decode(codec.encode(made)), type(made)) == made
