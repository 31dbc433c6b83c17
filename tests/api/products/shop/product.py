"""Every kind of route that a product can have; none of them fails by itself."""

from typing import Annotated, Any, Literal

import msgspec

from hansa import Context, DataProduct, Reply, http, reply, schedule

from .ports import Stock, stock

product = DataProduct(__file__)


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """`count` pieces of an item."""

    item: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    count: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1
    colour: Literal["red", "blue"] | None = None


class Placed(msgspec.Struct):
    item: str
    count: int


class Filled(msgspec.Struct):
    """A form."""

    name: str
    age: int = 0


@product.logic
def place(body: Order, *, ctx: Context) -> Placed:
    """Takes an order."""
    ctx.publish(stock, Stock(body.item, body.count))
    ctx.emit("order.placed", source="the shop", target=body.item, payload={"count": body.count})
    return Placed(body.item, body.count)


@product.logic
def in_stock(*, ctx: Context, item: str) -> int:
    """How many pieces of an item there are."""
    found = ctx.lookup(stock, item=item)
    return found.count if found else 0


@product.aggregator
def counted(value: int) -> Reply[dict[str, int]]:
    return Reply({"count": value}, status=203)


@product.logic
def typed(*, number: int, day: Literal["mon", "tue"] = "mon", ratio: float = 0.5, loud: bool = False) -> dict[str, Any]:
    """Parameters of every type."""
    return {"number": number, "day": day, "ratio": ratio, "loud": loud}


@product.logic
def fill(body: Filled) -> Filled:
    return body


@product.logic
def measure(body: str) -> int:
    return len(body)


@product.logic
def weigh(body: bytes) -> int:
    return len(body)


@product.logic
def greet() -> dict[str, str]:
    return {"hello": "there"}


product.process("place", place, reply, on=http.post("/orders"))
product.process("place_later", place, reply, on=http.post("/later", mode="async"))
product.process("place_wrapped", place, reply, on=http.put("/orders", encapsulated=True))
product.process("in_stock", in_stock, counted, on=http.get("/stock/{item}"))
product.process("typed", typed, reply, on=http.get("/typed/{number}"))
product.process("remove", typed, reply, on=http.delete("/typed/{number}"))
product.process("fill", fill, reply, on=http.post("/form", body="form"))
product.process("measure", measure, reply, on=http.post("/text", body="text"))
product.process("weigh", weigh, reply, on=http.post("/bytes", body="bytes", body_max_bytes=1000))
product.process("greet", greet, reply, on=http.get("/open", public=True))
product.process("nightly", greet, reply, on=schedule.cron("0 3 * * *"))
