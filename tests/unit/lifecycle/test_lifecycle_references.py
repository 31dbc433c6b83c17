"""References held against the ports that they lead to: what no record could keep is refused at plan."""

from __future__ import annotations

import pytest

from hansa.lifecycle.references import wrong_references
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    OnViolation,
    OutputPortSpec,
    PortKind,
    ProductSpec,
    ReferenceSpec,
)

PARENT = "shop.customers/customers@1"
KEYED = (FieldSpec("country", "string", True), FieldSpec("number", "integer", True), FieldSpec("name", "string"))


def port(
    port_id: str, *references: ReferenceSpec, key: tuple[str, ...] = (), fields: tuple[FieldSpec, ...] = KEYED
) -> OutputPortSpec:
    contract = ContractSpec("c", "1.0.0", fields, key, references=references)
    return OutputPortSpec(port_id, "p", "1.0.0", PortKind.STREAM, contract)


def reference(*pairs: tuple[str, str], to: str = PARENT, action: OnViolation | None = None) -> ReferenceSpec:
    return ReferenceSpec("r", tuple(a for a, _ in pairs), tuple(b for _, b in pairs), "customers", to, action)


def codes(*outputs: OutputPortSpec, others: tuple[OutputPortSpec, ...] = ()) -> list[str]:
    spec = ProductSpec("shop.orders", "Orders", outputs=outputs)
    return [finding.code for finding in wrong_references(spec, {port.id: port for port in others})]


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([("number", "number"), ("country", "country")], []),
        ([("country", "country")], ["relationship.key"]),
        ([("name", "name")], ["relationship.key"]),
        ([("name", "nickname")], ["relationship.field"]),
        ([("name", "number"), ("country", "country")], ["relationship.type"]),
    ],
)
def test_a_reference_leads_to_the_whole_key(pairs: list[tuple[str, str]], found: list[str]) -> None:
    parent = port(PARENT, key=("country", "number"))
    assert codes(port("shop.orders/orders@1", reference(*pairs)), others=(parent,)) == found


def test_a_port_without_a_key_cannot_be_referred_to() -> None:
    assert codes(port("shop.orders/orders@1", reference(("name", "name"))), others=(port(PARENT),)) == [
        "relationship.key"
    ]


def ring(port_id: str, to: str, *, field: str = "number", action: OnViolation | None = None) -> OutputPortSpec:
    fields = (FieldSpec("number", "integer", True), FieldSpec("other", "integer"))
    return port(port_id, reference((field, "number"), to=to, action=action), key=("number",), fields=fields)


def test_references_in_a_circle_are_refused_where_no_record_could_be_the_first() -> None:
    a, b, c = "shop.orders/a@1", "shop.orders/b@1", "shop.other/c@1"
    assert codes(ring(a, b), ring(b, c), others=(ring(c, a),)) == ["relationship.circle"]
    assert codes(ring(a, b), ring(b, a, field="other")) == []
    assert codes(ring(a, b), ring(b, a, action="warn")) == []
    assert codes(ring(a, a)) == []
