"""Publishes what it is given, whatever it is."""

from typing import Any

from hansa import Chunk, Context, DataProduct, OutputPort, Record, Retry, http, manual, reply

from .ports import Ware, buyers, prices, wares

product = DataProduct(__file__)


class Stale(Record, frozen=True):
    """A class of the time when prices had a currency and no bounds."""

    sku: str
    cents: int
    currency: str = "DKK"


PORTS: dict[str, OutputPort[Any]] = {"wares": wares, "prices": prices, "buyers": buyers}


@product.logic
def put(body: list[dict[str, Any]], *, ctx: Context, port: str) -> int:
    ctx.publish(PORTS[port], body)  # type: ignore[arg-type]
    return len(body)


@product.logic
def put_stale(body: list[Stale], *, ctx: Context) -> int:
    ctx.publish(prices, body)  # type: ignore[arg-type]
    return len(body)


@product.logic
def load(start: dict[str, Any], *, ctx: Context) -> Any:
    """Chunks of ten wares, each with one of a kind that there is not, and one EAN that is in every chunk."""
    for chunk in range(ctx.position or 0, start["chunks"]):
        yield Chunk([Ware(f"{chunk}-{n}", chunk * 10 + n if n else -1, "toy" if n == 1 else "book") for n in range(10)],
                    position=chunk + 1)  # fmt: skip


@product.logic
def stock(rows: list[Ware], *, ctx: Context) -> int:
    ctx.publish(wares, rows)
    return len(rows)


product.process("put", put, reply, on=http.post("/ports/{port}"))
product.process("put_stale", put_stale, reply, on=http.post("/stale"))
product.process("load", load, stock, reply, on=manual(), retry=Retry(attempts=9, delay_s=0.01))
