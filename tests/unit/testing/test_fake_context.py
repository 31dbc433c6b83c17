"""The fake context: what logic did is kept, and the contracts are the real ones."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest

from hansa import Meta
from hansa.errors import AuthorError
from hansa.sdk.load import load_product
from hansa.sdk.ports import OutputPort, Record
from hansa.testing.fake import FakeContext, FakeOutput

LETTERS = Path(__file__).parents[2] / "acceptance" / "products" / "letters"


class Order(Record, frozen=True):
    shop: str
    number: Annotated[int, Meta(ge=0)]


orders = OutputPort("shop.orders/orders@1", Order, key=("shop",))


def test_what_is_published_is_kept_by_port_and_in_order() -> None:
    ctx = FakeContext()
    ctx.publish(orders, Order("a", 1))
    ctx.publish(orders, (Order(name, 2) for name in "bc"))
    assert ctx.published == {orders.id: [Order("a", 1), Order("b", 2), Order("c", 2)]}


def test_a_record_that_breaks_its_contract_is_refused_with_all_the_others() -> None:
    ctx = FakeContext()
    with pytest.raises(AuthorError):
        ctx.publish(orders, [Order("a", 1), Order("b", -1)])
    assert ctx.published == {}


def test_events_are_kept_and_come_from_the_product_unless_told() -> None:
    ctx = FakeContext(product="shop.orders")
    ctx.emit("order.placed", payload={"n": 1})
    ctx.emit("order.placed", source="web", target="shop", key="k")
    assert ctx.emitted == [
        {"name": "order.placed", "source": "shop.orders", "target": None, "payload": {"n": 1}, "key": None},
        {"name": "order.placed", "source": "web", "target": "shop", "payload": None, "key": "k"},
    ]


def test_a_payload_that_cannot_be_sent_is_refused() -> None:
    ctx = FakeContext()
    with pytest.raises(TypeError):
        ctx.emit("order.placed", payload=object())
    assert ctx.emitted == []


def test_lookups_go_by_the_key_of_the_port() -> None:
    ctx = FakeContext(lookups={orders: [Order("a", 1), Order("a", 2)]})
    assert ctx.lookup(orders, shop="a") == Order("a", 2)
    assert ctx.lookup(orders, shop="b") is None
    with pytest.raises(AuthorError, match=r"lookup\.key"):
        ctx.lookup(orders, number=1)


def test_state_has_plain_values_as_the_real_one() -> None:
    ctx = FakeContext(state={"a.1": 3})
    values: list[Any] = [1, (2, 3)]
    ctx.state.put("a.2", values)
    values.append(4)
    assert (ctx.state.get("a.1"), ctx.state.get("a.2"), ctx.state.get("b", 7)) == (3, [1, [2, 3]], 7)
    ctx.state.put("b.1", None)
    assert list(ctx.state.keys("a.")) == ["a.1", "a.2"]
    ctx.state.remove("a.1")
    ctx.state.remove("never there")
    assert list(ctx.state.keys()) == ["a.2", "b.1"]


def test_calls_are_kept_and_answered_with_what_the_test_gave() -> None:
    ctx = FakeContext(calls={"fixed": 5, "made": lambda payload: payload * 2})
    assert (ctx.call("fixed"), ctx.call("made", 4, key="k")) == (5, 8)
    with pytest.raises(AuthorError, match=r"process\.unknown"):
        ctx.call("other", 1)
    assert ctx.called == [("fixed", None), ("made", 4), ("other", 1)]


def test_time_stands_still_and_uuids_are_the_same_in_every_test() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    first, second = FakeContext(now=noon), FakeContext()
    assert (first.now(), second.now()) == (noon, datetime(2024, 1, 1, tzinfo=UTC))
    made = [first.uuid(), first.uuid()]
    assert made[0] != made[1]
    assert [second.uuid(), second.uuid()] == made
    assert made[0].version == 7


def test_output_is_kept_as_lines_with_their_level() -> None:
    ctx = FakeContext()
    ctx.output.write("info", "loaded", rows=3)
    assert isinstance(ctx.output, FakeOutput)
    assert ctx.output.lines == [("info", "loaded rows=3")]


@pytest.mark.parametrize("product", ["shop.orders", None])
def test_a_port_of_another_product_is_refused(product: str | None) -> None:
    foreign = OutputPort("shop.bills/bills@1", Order, key=("shop",))
    ctx = FakeContext(product=product)
    ctx.publish(orders, Order("a", 1))
    with pytest.raises(AuthorError, match=r"port\.not_own"):
        ctx.publish(foreign, Order("a", 1))
    assert list(ctx.published) == [orders.id]


def test_what_is_referred_to_is_among_the_lookups_of_the_test() -> None:
    load_product(LETTERS, "hansa_fake_letters")
    ports = importlib.import_module("hansa_fake_letters.ports")
    someone = ports.People("Ribe", 7)
    ctx = FakeContext(lookups={ports.people: [someone]})
    assert ctx.publish(ports.letters, [ports.Letter("a", "Ribe", 7), ports.Letter("b", "Ribe", 8)]) == 1
    assert [letter.letter for letter in ctx.quarantined[ports.letters.id]] == ["b"]
    assert ctx.publish(ports.letters, ports.Letter("c", answers="a")) == 1
