"""Who reads a port, and which contracts it had."""

from __future__ import annotations

from hansa.lifecycle.breaking import earlier_contracts, readers
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
)
from hansa.registry.values import Revision

PORT = "shop.orders/orders@1"


def revision(number: int, *fields: FieldSpec) -> Revision:
    port = OutputPortSpec(PORT, "orders", "1.0.0", PortKind.STREAM, ContractSpec("c", "1.0.0", fields))
    return Revision(
        "shop.orders", f"r{number}", number, ProductSpec("shop.orders", "O", outputs=(port,)), "b", "ada", 0
    )


def test_readers_are_those_with_an_input_a_subscription_or_a_lookup() -> None:
    follower = ProcessSpec("follow", (), (PortTrigger(PORT),))
    specs = [
        ProductSpec("shop.bills", "B", inputs=(InputPortSpec("orders", PORT),)),
        ProductSpec("shop.alerts", "A", processes=(follower,)),
        ProductSpec("shop.looks", "L", processes=(ProcessSpec("look", (), reads=(PORT,)),)),
        ProductSpec("shop.other", "O", inputs=(InputPortSpec("prices", "shop.prices/prices@1"),)),
    ]
    assert readers(specs) == {
        PORT: ["shop.alerts", "shop.bills", "shop.looks"],
        "shop.prices/prices@1": ["shop.other"],
    }


def test_earlier_contracts_are_told_once_and_oldest_first() -> None:
    one, other = FieldSpec("one", "string"), FieldSpec("other", "string")
    found = earlier_contracts([revision(3, one, other), revision(2, one), revision(1, one)])
    assert list(found[PORT]) == ["r1", "r3"]
    assert found[PORT]["r1"].fields == (one,)
