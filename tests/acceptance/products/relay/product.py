"""A mark goes in by HTTP and out by a port, an event, another process and a connection."""

import time
from typing import Any

from hansa import Context, DataProduct, Http, http, on, publish_to, reply

from .ports import Mark, marks

product = DataProduct(__file__)


@product.logic
def ask_beyond(body: dict[str, Any], *, beyond: Http) -> dict[str, Any]:
    beyond.get("/size")
    return body


@product.logic
def weigh(body: dict[str, Any], *, ctx: Context) -> Mark:
    ctx.call("double", body["size"])
    return Mark(body["id"], body["size"])


product.process("take", ask_beyond, weigh, publish_to(marks), on=http.post("/marks"))


@product.logic
def double(value: int) -> int:
    return value * 2


product.process("double", double, reply)


@product.logic
def note(mark: Mark, *, ctx: Context) -> None:
    ctx.emit("noted", source=mark.id)


product.process("follow", note, reply, on=on(marks, batch=100, start="earliest"))


@product.logic
def hear(event: dict[str, Any]) -> str:
    time.sleep(event["payload"] or 0)
    return str(event["source"])


product.process("hear", hear, reply, on=on.event("noted", start="earliest"))


@product.logic
def slow(body: dict[str, Any], *, ctx: Context) -> None:
    """Keeps who hears of it for a while."""
    ctx.emit("noted", source="slow", payload=body["pause"])


product.process("slow", slow, reply, on=http.post("/slow"))


@product.logic
def fall(body: dict[str, Any]) -> None:
    raise LookupError("there is no floor")


product.process("fall", fall, reply, on=http.post("/falls"))
