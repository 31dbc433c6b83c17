"""Sells in every way that a run can begin. Each process sells an id once, emits `sold` for it and counts it."""

import time
from collections.abc import Iterator
from typing import Any

from hansa import Chunk, Context, DataProduct, Retry, http, on, publish_to, reply, schedule

from .ports import Sale, sales

product = DataProduct(__file__)
WORK_S = 0.002
"""How long some logic takes, so that a kill finds it at work."""
AGAIN = Retry(attempts=10, delay_s=0.02)


def sold(ctx: Context, sale: str) -> dict[str, Any]:
    """Record, event and state of one sale, in one commit."""
    ctx.publish(sales, Sale(sale))
    ctx.emit("sold", source=sale)
    ctx.state.put("count", ctx.state.get("count", 0) + 1)
    return {"sold": sale}


@product.logic
def sell(body: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    return sold(ctx, body["id"])


product.process("sell", sell, reply, on=http.post("/sync"))
product.process("sell_later", sell, reply, on=http.post("/async", mode="async"), retry=AGAIN)


@product.logic
def weigh(body: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    """Emits before the sale is made: it is committed with it, however often it is begun."""
    ctx.emit("weighed", source=body["id"])
    time.sleep(WORK_S)
    return body


@product.logic
def wrap(body: dict[str, Any]) -> dict[str, Any]:
    return body


product.process("sell_in_steps", weigh, wrap, sell, reply, on=http.post("/steps"), durability="step", retry=AGAIN)


@product.logic
def unload(body: dict[str, Any], *, ctx: Context) -> Iterator[Chunk[Sale]]:
    for part in range((ctx.position or 0) + 1, body["parts"] + 1):
        time.sleep(WORK_S)
        yield Chunk([Sale(f"{body['id']}/{part}")], position=part)


product.process("sell_a_load", unload, publish_to(sales), on=http.post("/chunks"), retry=AGAIN)


@product.logic
def sell_an_order(event: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    return sold(ctx, event["payload"]["id"])


product.process("sell_orders", sell_an_order, reply, on=on.event("ordered", start="earliest"), retry=AGAIN)


@product.logic
def sell_on_time(*, ctx: Context) -> dict[str, Any]:
    return sold(ctx, f"at {ctx.trigger.detail['time']}")


product.process("sell_on_time", sell_on_time, reply, on=schedule.every("500ms", catch_up="all"), retry=AGAIN)
