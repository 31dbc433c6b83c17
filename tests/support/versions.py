"""A scale whose weights come in two majors, whole kilograms (@1) and grams (@2), and a ledger that follows either."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hansa.contracts.custom import write_custom
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.contracts.write import yaml_text

SCALE, LEDGER = "yard.scale", "yard.ledger"
OLD, NEW, ENTRIES = f"{SCALE}/weights@1", f"{SCALE}/weights@2", f"{LEDGER}/entries@1"
WINDOW = {"previous": 1, "upgrade": "to_grams", "downgrade": "to_kg"}
FIELDS = {1: "kg", 2: "grams"}

ONE = """
from hansa import Context, DataProduct, http, on, publish_to, reply
from .ports import Weight, weights

product = DataProduct(__file__)


@product.logic
def weigh(body: dict[str, int]) -> list[Weight]:
    return [Weight(name, value) for name, value in body.items()]


product.process("weigh", weigh, publish_to(weights), on=http.post("/weigh"))
"""
BOTH = """
from hansa import Context, DataProduct, http, on, publish_to, reply
from .ports import Weight, Weight1, weights

product = DataProduct(__file__)


@product.translator
def to_grams(weight: Weight1) -> Weight:
    return Weight(weight.id, weight.kg * 1000)


@product.translator
def to_kg(weight: Weight) -> Weight1:
    if weight.grams % 1000:
        raise ValueError(f"{weight.grams} g are no whole kilograms")
    return Weight1(weight.id, weight.grams // 1000)


@product.logic
def weigh(body: dict[str, int]) -> list[Weight]:
    return [Weight(name, value * 1000) for name, value in body.items()]


@product.logic
def weigh_exactly(body: dict[str, int]) -> list[Weight]:
    return [Weight(name, value) for name, value in body.items()]


product.process("weigh", weigh, publish_to(weights), on=http.post("/weigh"))
product.process("weigh_exactly", weigh_exactly, publish_to(weights), on=http.post("/grams"))
"""
FOLLOW = """
from hansa import DataProduct, on, publish_to
from .ports import Entry, Weight, entries, weights

product = DataProduct(__file__)


@product.logic
def enter(weight: Weight) -> Entry:
    return Entry(weight.id, {field!r}, weight.{field})


product.process("enter", enter, publish_to(entries), on=on(weights, batch=7))
"""


def contract(major: int, *, dates: Mapping[str, str] | None = None, **custom: Any) -> dict[str, Any]:
    """The contract of one major of the weights."""
    examples = [1, 2] if major == 1 else [1000, 2000]
    return write_custom({
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": "weights", "version": f"{major}.0.0", "status": "active",
        "schema": [{"name": "weights", "properties": [
            {"name": "id", "logicalType": "string", "required": True, "primaryKey": True, "examples": ["a", "b"]},
            {"name": FIELDS[major], "logicalType": "integer", "required": True, "examples": examples},
        ]}],
        **({"slaProperties": [{"property": k, "value": v} for k, v in dates.items()]} if dates else {}),
    }, custom)  # fmt: skip


def scale(
    folder: Path,
    majors: tuple[int, ...] = (1,),
    *,
    code: str | None = None,
    dates: Mapping[int, Mapping[str, str]] | None = None,
    window: Mapping[str, Any] = WINDOW,
    **custom: Any,
) -> Path:
    """The product with those majors, the window in the contract of @2 where both are there."""
    ports = [{"name": "weights", "version": f"{major}.0.0", "contractId": "weights"} for major in majors]
    contracts = {
        f"weights@{major}": contract(
            major, dates=(dates or {}).get(major), window=window if major == 2 and 1 in majors else None, **custom
        )
        for major in majors
    }
    return _product(
        folder,
        SCALE,
        {"outputPorts": ports},
        contracts,
        code
        or (BOTH if len(majors) > 1 else ONE if majors == (1,) else ONE.replace("name, value)", "name, value * 1000)")),
    )


def ledger(folder: Path, major: int, weights: Path) -> Path:
    """The product that follows a major of the weights, which are in the folder `weights`."""
    port = f"{SCALE}/weights@{major}"
    reads = {"name": "weights", "customProperties": [{"property": "port", "value": port, "vendor": "hansa"}]}
    text = {"name": "text", "logicalType": "string", "required": True}
    entries = {
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": "entries", "version": "1.0.0",
        "schema": [{"name": "entries", "properties": [
            {**text, "name": "id", "primaryKey": True}, {**text, "name": "unit"},
            {"name": "value", "logicalType": "integer", "required": True},
        ]}],
    }  # fmt: skip
    ports = {"inputPorts": [reads], "outputPorts": [{"name": "entries", "version": "1.0.0", "contractId": "entries"}]}
    found = {output.id: output for output in read_product(weights).outputs}
    code = FOLLOW.format(field=FIELDS[major])
    return _product(folder, LEDGER, ports, {"entries@1": entries}, code, found)


def _product(
    folder: Path,
    name: str,
    ports: Mapping[str, Any],
    contracts: Mapping[str, Any],
    code: str,
    inputs: Mapping[str, Any] | None = None,
) -> Path:
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    for old in (folder / "contracts").iterdir():
        old.unlink()
    head = {"apiVersion": "v1.1.0", "kind": "DataProduct", "id": name, "version": "1.0.0", "status": "active"}
    (folder / "product.yaml").write_text(yaml_text({**head, **ports}))
    for file, data in contracts.items():
        (folder / "contracts" / f"{file}.odcs.yaml").write_text(yaml_text(data))
    (folder / "ports.py").write_text(generate_ports(read_product(folder), dict(inputs or {})))
    (folder / "product.py").write_text(code)
    return folder
