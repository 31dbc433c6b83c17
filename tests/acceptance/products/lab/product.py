"""Everything that a run can do, and everything that can go wrong with it."""

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hansa import (
    Chunk,
    Context,
    DataProduct,
    Drop,
    Error,
    Problem,
    Reply,
    Retry,
    http,
    on,
    once,
    publish_to,
    reply,
    schedule,
)

from .ports import Number, Square, numbers, squares

product = DataProduct(__file__)


class Sum(msgspec.Struct):
    left: int
    right: int = 1


@product.logic
def add(body: Sum, *, ctx: Context, limit: int = 1000) -> dict[str, int]:
    """The sum of two numbers."""
    if body.left < 0:
        raise Problem(400, "sum.negative", "left is negative", hint="Use a number from 0 on.")
    if body.left > limit:
        raise ValueError(f"{body.left} is more than {limit}")
    print("adding", body.left, body.right)
    return {"sum": body.left + body.right}


@product.aggregator
def created(value: dict[str, Any], *, place: str = "here") -> Reply[dict[str, Any]]:
    return Reply({**value, "place": place}, status=201, headers={"x-place": place})


product.process("add", add, created, on=http.post("/sums"))
product.process(
    "add_there", add, created.using(place="there"), on=http.post("/places/{place_id}/sums", encapsulated=True)
)
product.process("add_later", add, reply, on=http.post("/later", mode="async"))
product.process("again", add, reply, on=http.post("/again"), retry=Retry(attempts=3, delay_s=0.05))


@product.logic
def misbehave(body: dict[str, Any], *, ctx: Context, how: str) -> Any:
    """Does what must not harm anybody else."""
    match how:
        case "raise":
            raise RuntimeError("it raised")
        case "exit":
            raise SystemExit(3)
        case "os_exit":
            os._exit(7)
        case "hang":
            while True:
                time.sleep(0.01)
        case "spin":
            while True:
                pass
        case "segfault":
            ctypes.string_at(0)
        case "fork":
            os.fork()
        case "memory":
            return len(bytearray(8 << 30))
        case "print":
            for _ in range(100_000):
                print("x" * 100)
            return {"printed": True}
        case "socket":
            socket.socket()
        case "run":
            subprocess.run(["/bin/true"], check=True)
        case "read":
            return Path(body["path"]).read_text()
        case "write":
            Path(body["path"]).write_text("mine")
        case "slow":
            time.sleep(body["seconds"])
            return {"slept": body["seconds"]}
        case "disconnect":
            os.closerange(3, 256)
    return {"ok": how}


product.process("misbehave", misbehave, reply, on=http.post("/misbehave"), timeout_s=1.0)
product.process("one_at_a_time", misbehave, reply, on=http.post("/single"), timeout_s=5.0, concurrency=1)


@product.logic
def square(number: Number) -> Square | Drop:
    """The square of a number; a 13 is refused, a 0 dropped."""
    if number.value == 13:
        raise ValueError("13 brings bad luck")
    return Drop("zero") if number.value == 0 else Square(number.name, number.value**2)


product.process("square", square, publish_to(squares), on=on(numbers, batch=100))


@product.logic
def put(body: list[Number], *, ctx: Context) -> dict[str, Any]:
    ctx.publish(numbers, body)
    for number in body:
        ctx.emit("number.put", source=f"number {number.name}", target="the bench", payload={"value": number.value})
    found = ctx.lookup(numbers, name=body[0].name)
    return {"put": len(body), "before": found.value if found else None}


product.process("put", put, reply, on=http.put("/numbers"))


@product.logic
def heard(event: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    """Counts the events that it gets."""
    ctx.state.put("count", ctx.state.get("count", 0) + 1)
    return {"heard": event["name"]}


@product.logic
def heard_so_far(*, ctx: Context) -> dict[str, Any]:
    return ctx.call("peek")


@product.logic
def peek(*, ctx: Context) -> dict[str, Any]:
    return {"peeked": True, "parent": ctx.trigger.kind}


product.process("heard", heard, reply, on=on.event("number.put", where={"value": 42}, start="earliest"))
product.process("peek", peek, reply)
product.process("call", heard_so_far, reply, on=http.get("/call"))


@product.logic
def count_up(*, ctx: Context) -> dict[str, int]:
    """A counter: two runs that change it at the same time do so one after the other."""
    value = ctx.state.get("counter", 0) + 1
    ctx.state.put("counter", value)
    return {"counter": value}


product.process("count", count_up, reply, on=http.post("/counter"))


@product.logic
def chunks(*, ctx: Context, count: int = 5) -> Iterator[Chunk[Number]]:
    start = (ctx.position or 0) + 1
    for number in range(start, count + 1):
        yield Chunk([Number(f"chunk {number}", number)], position=number)


product.process("load", chunks, publish_to(numbers), on=http.post("/load"))
product.process("load_squares", chunks, square, publish_to(squares), on=http.post("/load_squares"))


@product.logic
def railed(value: Any, *, fails: bool = False, handler_fails: bool = False) -> Any:
    if fails:
        raise RuntimeError("derailed")
    return value


@railed.on_error
def railed_error(error: Error, *, ctx: Context, handler_fails: bool = False) -> None:
    ctx.emit("rail.handled", source=error.origin)
    if handler_fails:
        raise RuntimeError("the handler, too")


@product.aggregator
def told(value: Any) -> Any:
    return {"value": value}


@told.on_error
def told_error(error: Error) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "origin": error.origin}


product.process("rail", railed, railed.using(fails=True), railed, told, on=http.post("/rail"))
product.process("rail_ok", railed, railed, railed, told, on=http.post("/rail/ok"))
product.process(
    "rail_broken", railed, railed.using(fails=True, handler_fails=True), railed, told, on=http.post("/rail/broken")
)


@product.aggregator
def left_side() -> dict[str, Any]:
    return {"left": 1, "both": "left"}


@product.aggregator
def right_side() -> Reply[dict[str, Any]]:
    return Reply({"right": 2, "both": "right"}, status=202 + 4)


product.process("left", left_side, on=http.get("/shared"))
product.process("right", right_side, on=http.get("/shared"))


@product.logic
def tick(*, ctx: Context) -> dict[str, Any]:
    ctx.emit("tick", source="the clock", payload={"time": ctx.trigger.detail.get("time")})
    return {"ticked": True}


product.process("tick", tick, reply, on=schedule.every("200ms"))
product.process("first", tick, reply, on=once())


@product.logic
def first_step(body: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    print("first step")
    return {"n": body["n"] + 1}


@product.logic
def second_step(value: dict[str, Any]) -> dict[str, Any]:
    if value["n"] == 100:
        os._exit(1)
    return value


product.process(
    "steps",
    first_step,
    second_step,
    reply,
    on=http.post("/steps"),
    durability="step",
    retry=Retry(attempts=2, delay_s=0.01),
)
