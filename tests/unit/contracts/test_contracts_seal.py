"""A `ports.py` that is not what `hansa sync` makes of its product's files is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hansa.contracts.generate import generate_ports
from hansa.contracts.seal import check_seal
from hansa.errors import PlanError
from hansa.model.product import ContractSpec, FieldSpec, InputPortSpec, OutputPortSpec, PortKind, ProductSpec

FIELDS = (FieldSpec("number", "integer", required=True), FieldSpec("note", "string", description="What they said."))
ORDERS = ContractSpec("orders", "1.0.0", FIELDS, key=("number",))
PORT = OutputPortSpec("shop.web/orders@1", "orders", "1.0.0", PortKind.STREAM, ORDERS)
SPEC = ProductSpec("shop.web", "Web", outputs=(PORT,))


def with_contract(contract: ContractSpec) -> ProductSpec:
    return replace(SPEC, outputs=(replace(PORT, contract=contract),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ports.py").write_text(generate_ports(SPEC, {}))
    return tmp_path


def refusal(folder: Path, spec: ProductSpec) -> str:
    with pytest.raises(PlanError) as refused:
        check_seal(folder, spec)
    (finding,) = refused.value.details["findings"]
    assert (finding["code"], finding["file"]) == ("ports.stale", "ports.py")
    assert "hansa sync" in finding["hint"]
    return str(finding["message"])


def test_what_was_just_generated_is_taken(folder: Path) -> None:
    check_seal(folder, SPEC)
    check_seal(folder / "nowhere", SPEC)


@pytest.mark.parametrize(
    "spec",
    [
        with_contract(replace(ORDERS, fields=(*FIELDS, FieldSpec("more", "string")))),
        with_contract(replace(ORDERS, fields=(replace(FIELDS[0], options={"minimum": 1}), FIELDS[1]))),
        with_contract(replace(ORDERS, key=("note",))),
        with_contract(replace(ORDERS, subject="note")),
        replace(SPEC, outputs=(replace(PORT, id="shop.web/orders@2"),)),
        replace(SPEC, outputs=(replace(PORT, partitions=4),)),
        replace(SPEC, inputs=(InputPortSpec("hours", "weather.hours/hourly@1"),)),
        replace(SPEC, outputs=()),
    ],
)
def test_files_that_changed_since_are_noticed(folder: Path, spec: ProductSpec) -> None:
    assert "has changed since ports.py was generated" in refusal(folder, spec)


def test_what_only_describes_asks_for_nothing(folder: Path) -> None:
    told = replace(ORDERS, fields=(FIELDS[0], replace(FIELDS[1], description="Other words.")), description="Orders.")
    check_seal(folder, replace(with_contract(told), description="A shop."))


def test_a_change_by_hand_is_noticed_and_a_formatter_is_not(folder: Path) -> None:
    file = folder / "ports.py"
    text = file.read_text()
    file.write_text(text.replace('"', "'").replace("orders = OutputPort(", "orders = OutputPort(\n\n    ") + "\n\n")
    check_seal(folder, SPEC)
    file.write_text(text.replace("note: str | None", "note: int | None"))
    assert "changed by hand" in refusal(folder, SPEC)


def test_one_that_nobody_generated_is_refused_where_there_are_ports(folder: Path) -> None:
    (folder / "ports.py").write_text("orders = 1\n")
    assert "was not written by this version" in refusal(folder, SPEC)
    check_seal(folder, ProductSpec("shop.web", "Web"))
