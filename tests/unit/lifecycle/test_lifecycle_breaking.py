"""Who reads a port, and which contracts it had."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hansa.lifecycle.breaking import earlier_contracts, ended_reads, readers, warnings_of
from hansa.lifecycle.standing import Standing
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    versions_of,
)
from hansa.model.window import NO_DATES, Dates, Window, phase_of
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


def version(major: int, dates: Dates = NO_DATES) -> OutputPortSpec:
    window = Window(1, "up", "down") if major == 2 else None
    contract = ContractSpec("c", f"{major}.0.0", (), dates=dates, window=window)
    return OutputPortSpec(f"shop.orders/orders@{major}", "orders", f"{major}.0.0", PortKind.STREAM, contract)


@pytest.mark.parametrize(
    ("month", "words"),
    [
        (1, f"{PORT} will be followed by shop.orders/orders@2"),
        (3, f"{PORT} is deprecated, its end of life is 2026-12-01: it is followed by shop.orders/orders@2"),
        (11, f"{PORT} is supported no more, its end of life is 2026-12-01: it is followed by shop.orders/orders@2"),
    ],
)
def test_readers_of_an_older_version_are_warned_by_its_dates(month: int, words: str) -> None:
    def day(month: int) -> datetime:
        return datetime(2026, month, 1, tzinfo=UTC)

    versions = versions_of(version(1, Dates(None, day(10), day(12))), version(2, Dates(day(2))))
    standing = Standing(versions, phase_of(versions, day(month), ["someone"]), None, None)
    owner = ProductSpec("shop.orders", "O", inputs=(InputPortSpec("orders", PORT),))
    reader = ProductSpec("shop.bills", "B", inputs=(InputPortSpec("orders", PORT),))
    assert warnings_of(reader, [standing]) == [words]
    assert warnings_of(owner, [standing]) == []


def test_what_has_ended_is_not_read_any_more() -> None:
    reader = ProductSpec("shop.bills", "B", inputs=(InputPortSpec("orders", PORT),))
    (finding,) = ended_reads(reader, {PORT: "shop.orders/orders@2"})
    assert (finding.code, finding.hint) == ("port.ended", "Read shop.orders/orders@2: its position moves with it.")
    assert ended_reads(reader, {}) == []
