"""The workload as a DBOS workflow with two recorded steps, behind a raw ASGI application."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from dbos import DBOS

from benchmarks.workload import Order, add_tax, add_total, summarise

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@DBOS.step()
async def total(order: Order) -> Order:
    """Step one."""
    return add_total(order)


@DBOS.step()
async def tax(order: Order) -> Order:
    """Step two."""
    return add_tax(order)


@DBOS.workflow()
async def price(order: Order) -> Order:
    """Price the order; a crash resumes behind the last finished step."""
    return summarise(await tax(await total(order)))


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Launch DBOS with the server, then run one workflow per request."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    answer = json.dumps(await price(json.loads(body))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    DBOS(
        config={
            "name": "orders",
            "system_database_url": os.environ["DBOS_SYSTEM_DATABASE_URL"],
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    DBOS.destroy()
    await send({"type": "lifespan.shutdown.complete"})
