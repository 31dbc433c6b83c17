"""Compositions whose branches wait: for a connection that answers only when all have come, for other processes, for
ever."""

import os
from collections.abc import Iterator
from typing import Any

from hansa import Chunk, Context, DataProduct, Error, Http, Retry, each, http, parallel, reply, when

product = DataProduct(__file__)


@product.logic
def start(body: list[int], *, ctx: Context) -> list[int]:
    ctx.emit("flow.started")
    return body


@product.logic
def left(value: list[int], *, meeting: Http, ctx: Context) -> str:
    ctx.emit("flow.left")
    return meeting.get("/together/3").text


@product.logic
def right(value: list[int], *, meeting: Http, ctx: Context) -> str:
    ctx.emit("flow.right")
    return meeting.get("/together/3").text


@product.logic
def doubled(value: list[int], *, meeting: Http, ctx: Context) -> int:
    meeting.get("/together/3")
    return int(ctx.call("double", value[0]))


@product.logic
def double(value: int) -> int:
    return value * 2


product.process("double", double, reply)
product.process("meet", start, parallel(left, right, doubled), reply, on=http.post("/meet"))


@product.logic
def fetch(value: int, *, meeting: Http) -> str:
    found = meeting.get(f"/items/{value}")
    if found.status != 200:
        raise LookupError(f"there is no item {value}")
    return found.text


product.process("items", each(fetch, quorum=0, concurrency=4), reply, on=http.post("/items"))


@product.logic
def patient(value: list[int], *, meeting: Http) -> str:
    return meeting.get("/never").text


@patient.on_error
def told(error: Error, *, ctx: Context) -> None:
    ctx.emit("flow.late", payload=error.code)


@product.aggregator
def present(value: dict[str, Any], *, patient: str | None, left: str | None) -> Any:
    return [sorted(value), patient, left]


@product.logic
def soon(value: list[int], *, meeting: Http) -> str:
    return meeting.get("/items/1").text


product.process("late", parallel(patient, soon, left, quorum=1, timeout_s=0.5), present, on=http.post("/late"))


@product.logic
def crash(value: dict[str, Any], *, ctx: Context) -> dict[str, Any]:
    """Ends the worker in the first attempt, when what stands before it has been journalled."""
    if ctx.run.attempt == 1:
        ctx.call("double", 1)
        os._exit(1)
    return value


@product.logic
def count(value: list[int], *, meeting: Http, ctx: Context) -> int:
    """How often it was worked, as the other side counts; its event commits once all the same."""
    ctx.emit("flow.counted")
    return int(meeting.get("/count").text)


@product.logic
def same(value: int) -> int:
    return value


@product.logic
def is_long(value: list[int]) -> bool:
    return len(value) > 1


branches = parallel(count, when(is_long, each(same)))
product.process(
    "steps", branches, crash, reply, on=http.post("/steps"), durability="step", retry=Retry(attempts=2, delay_s=0.05)
)


@product.logic
def numbers(*, ctx: Context, meeting: Http) -> Iterator[Chunk[int]]:
    """Three chunks; the first time, two loads begin together."""
    if ctx.position is None:
        meeting.get("/pair")
    for position in range(ctx.position or 0, 3):
        yield Chunk([position, position], position + 1)


@product.logic
def tally(batch: list[int], *, ctx: Context, meeting: Http) -> int:
    """Adds to a count that all loads share; the first time, two have read it before either has changed it."""
    before = ctx.state.get("tally", 0)
    if batch[0] == 0 and before == 0:
        meeting.get("/pair")
    ctx.state.put("tally", before + len(batch))
    ctx.emit("flow.tallied", payload=before + len(batch))
    return before


product.process("load", numbers, tally, reply, on=http.post("/load", mode="async"))
