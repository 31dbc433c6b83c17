"""Triggers are called by what they are."""

from __future__ import annotations

from hansa.model.product import EventTrigger, HttpTrigger, ManualTrigger, OnceTrigger, PortTrigger, ScheduleTrigger
from hansa.model.trigger_key import trigger_names

TRIGGERS = (
    HttpTrigger("POST", "/shop/orders"),
    PortTrigger("shop.orders/orders@1", where={"shop": "a"}),
    PortTrigger("shop.orders/orders@1", where={"shop": "b"}),
    EventTrigger("order.placed"),
    ScheduleTrigger(cron="0 6 * * *", timezone="Europe/Berlin"),
    ScheduleTrigger(every_s=300.0),
    ScheduleTrigger(every_s=0.25),
    OnceTrigger(payload={"a": 1}),
    OnceTrigger(at="2026-12-24T18:00:00+00:00"),
    ManualTrigger(),
)
NAMES = (
    "http:POST /shop/orders",
    "port:shop.orders/orders@1",
    "port:shop.orders/orders@1~2",
    "event:order.placed",
    "schedule:0 6 * * * Europe/Berlin",
    "schedule:every 300",
    "schedule:every 0.25",
    "once",
    "once:2026-12-24T18:00:00+00:00",
    "manual",
)


def test_a_name_says_the_kind_and_what_tells_it_from_others() -> None:
    assert trigger_names(TRIGGERS) == NAMES


def test_a_name_does_not_depend_on_where_the_trigger_stands() -> None:
    alone = {trigger_names([trigger])[0] for trigger in TRIGGERS}
    assert alone == {name.partition("~")[0] for name in NAMES}
