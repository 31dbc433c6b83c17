"""What the filter of a subscription lets through."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from hansa.model.product import EventTrigger, PortTrigger, ProcessSpec, ProductSpec
from hansa.runtime.live import LiveProduct
from hansa.runtime.pool import Pool
from hansa.triggers.subscriptions import filter_of, lost_run

ENCODE = msgspec.msgpack.encode


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"origin": "HAM", "gate": {"hall": 2}}, True),
        ({"origin": "HAM", "gate": {"hall": 1}}, False),
        ({"origin": "BER", "gate": {"hall": 2}}, False),
        ({"origin": "HAM", "gate": 2}, False),
        ({}, False),
        ([1], False),
    ],
)
def test_all_equalities_of_a_port_filter_count_also_within_objects(body: Any, wanted: bool) -> None:
    accepts = filter_of(PortTrigger("p", where={"origin": "HAM", "gate.hall": 2}))
    assert accepts is not None
    assert accepts(msgspec.Raw(ENCODE(body))) is wanted


def test_a_port_without_a_filter_is_not_looked_into() -> None:
    assert filter_of(PortTrigger("p")) is None


EVENT = {"name": "order.placed", "source": "web", "target": "shop", "payload": {"value": 42}}


@pytest.mark.parametrize(
    ("trigger", "wanted"),
    [
        (EventTrigger("order.placed"), True),
        (EventTrigger("order.paid"), False),
        (EventTrigger("order.placed", source="web", target="shop"), True),
        (EventTrigger("order.placed", source="app"), False),
        (EventTrigger("order.placed", target="app"), False),
        (EventTrigger("order.placed", where={"value": 42}), True),
        (EventTrigger("order.placed", where={"value": 41}), False),
        (EventTrigger("order.placed", where={"source": "web"}), False),
    ],
)
def test_events_are_wanted_by_name_ends_and_payload(trigger: EventTrigger, wanted: bool) -> None:
    accepts = filter_of(trigger)
    assert accepts is not None
    assert accepts(msgspec.Raw(ENCODE(EVENT))) is wanted


def test_an_event_without_a_payload_fits_no_equality() -> None:
    accepts = filter_of(EventTrigger("order.placed", where={"value": None}))
    assert accepts is not None
    assert not accepts(msgspec.Raw(ENCODE({**EVENT, "payload": None})))


def test_the_history_says_how_much_was_lost() -> None:
    product = LiveProduct(ProductSpec("a.b", "B", processes=(ProcessSpec("p", ()),)), "rev", cast("Pool", None))
    lost = lost_run(product.processes["p"], PortTrigger("c.d/e@1"), 2, 5, 12, 99)
    assert (lost.product, lost.process, lost.state, lost.finished_us) == ("a.b", "p", "failed", 99)
    assert lost.error is not None
    assert (lost.error.code, lost.error.details) == ("records.expired", {"lost": 7})
    assert lost.trigger_detail == {"topic": "c.d/e@1", "partition": 2, "from": 5, "to": 12}
