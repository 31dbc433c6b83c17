"""The workload as a Restate service with two journalled steps."""

from __future__ import annotations

import restate

from benchmarks.workload import Order, add_tax, add_total, summarise

orders = restate.Service("orders")


async def total(order: Order) -> Order:
    """Step one; a coroutine, as Restate sends plain functions through a thread."""
    return add_total(order)


async def tax(order: Order) -> Order:
    """Step two."""
    return add_tax(order)


@orders.handler()
async def price(context: restate.Context, order: Order) -> Order:
    """Price the order in the body; a crash resumes behind the last finished step."""
    totalled = await context.run_typed("total", total, order=order)
    return summarise(await context.run_typed("tax", tax, order=totalled))


application = restate.app([orders])
