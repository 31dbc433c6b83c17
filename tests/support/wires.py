"""Products whose ports stand on topics in each wire format, and one whose port changes its major."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hansa.contracts.custom import write_custom
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.contracts.write import yaml_text

WIRES: Final = "air.wires"
FORMATS: Final = {"trips": "avro", "bills": "json", "fares": "protobuf"}
"""The ports of `air.wires`, and the format of each. All have the same fields, but `fares` has no decimal: Protobuf on a
topic cannot have one."""
RECORDS: Final = [
    {"trip_id": "a", "delay_min": 5, "landed_at": "2013-01-01T05:15:00.25Z", "fare": "12.50", "note": "late"},
    {"trip_id": "b", "delay_min": -3, "landed_at": "1969-12-31T23:59:59Z", "fare": "-0.01", "note": None},
]
MOVES: Final = "air.moves"
UP, DOWN = '{"id": id, "seconds": minutes * 60}', '{"id": id, "minutes": $floor(seconds / 60)}'
UNITS: Final = {1: "minutes", 2: "seconds"}

_FIELDS: Final = [
    {"name": "trip_id", "logicalType": "string", "required": True, "primaryKey": True, "primaryKeyPosition": 1},
    {"name": "delay_min", "logicalType": "integer", "required": True, "logicalTypeOptions": {"format": "i32"}},
    {"name": "landed_at", "logicalType": "timestamp", "required": True, "logicalTypeOptions": {"timezone": True}},
    {"name": "fare", "logicalType": "number", "physicalType": "decimal(10, 2)", "required": True},
    {"name": "note", "logicalType": "string"},
]
_PUBLISH: Final = """
from hansa import Context, DataProduct, http, reply
from .ports import Bill, Fare, Trip, bills, fares, trips

product = DataProduct(__file__)


@product.logic
def publish(body: list[Trip], *, ctx: Context) -> int:
    for trip in body:
        told = (trip.trip_id, trip.delay_min, trip.landed_at, trip.fare, trip.note)
        ctx.publish(trips, Trip(*told))
        ctx.publish(bills, Bill(*told))
        ctx.publish(fares, Fare(trip.trip_id, trip.delay_min, trip.landed_at, trip.note))
    return len(body)


product.process("publish", publish, reply, on=http.post("/publish"))
"""
_IDLE: Final = """
from hansa import DataProduct, manual, reply

product = DataProduct(__file__)


@product.logic
def rest() -> None:
    return None


product.process("rest", rest, reply, on=manual())
"""


def wires(folder: Path) -> Path:
    """`air.wires`, which publishes a list of trips to all its ports."""
    fields = {"protobuf": [field for field in _FIELDS if field["name"] != "fare"]}
    contracts = {
        f"{port}@1": _contract(port, 1, fields.get(form, _FIELDS), wireFormat=form) for port, form in FORMATS.items()
    }
    return _product(folder, WIRES, contracts, _PUBLISH)


def moves(folder: Path, *majors: int) -> Path:
    """`air.moves`, whose ports have these majors: minutes in 1, seconds in 2. `drives` (Avro) and `walks` (JSON) have
    JSONata between them, `rides` (Avro) has nothing."""
    contracts = {}
    for port, form in {"drives": "avro", "walks": "json", "rides": "avro"}.items():
        for major in majors:
            fields = [
                {**_FIELDS[0], "name": "id", "examples": ["a", "b"]},
                {"name": UNITS[major], "logicalType": "integer", "required": True, "examples": [60, 120]},
            ]
            is_open = port != "rides" and major - 1 in majors
            opened = {"window": {"previous": 1, "upgrade": UP, "downgrade": DOWN}} if is_open else {}
            contracts[f"{port}@{major}"] = _contract(port, major, fields, wireFormat=form, **opened)
    return _product(folder, MOVES, contracts, _IDLE)


def _contract(port: str, major: int, fields: list[dict[str, Any]], **custom: Any) -> dict[str, Any]:
    found = {
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": port, "version": f"{major}.0.0", "status": "active",
        "schema": [{"name": port, "properties": fields}],
    }  # fmt: skip
    return write_custom(found, custom)


def _product(folder: Path, name: str, contracts: Mapping[str, Any], code: str) -> Path:
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    ports = [
        {"name": port, "version": f"{major}.0.0", "contractId": port, "type": "stream"}
        for port, _, major in (key.partition("@") for key in contracts)
    ]
    head = {"apiVersion": "v1.1.0", "kind": "DataProduct", "id": name, "version": "1.0.0", "status": "active"}
    (folder / "product.yaml").write_text(yaml_text({**head, "domain": "air", "outputPorts": ports}))
    for file, data in contracts.items():
        (folder / "contracts" / f"{file}.odcs.yaml").write_text(yaml_text(data))
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))
    (folder / "product.py").write_text(code)
    return folder
