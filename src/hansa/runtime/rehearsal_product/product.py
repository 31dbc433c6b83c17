"""A product of the smallest kind, with one of everything that most have."""

from typing import Any

import msgspec

from hansa import Context, DataProduct, http, reply

product = DataProduct(__file__)


class Part(msgspec.Struct):
    """What a caller sends."""

    name: str
    amounts: list[float]


@product.logic
def add(body: Part, *, ctx: Context, limit: int = 10) -> dict[str, Any]:
    """The sum of the first amounts."""
    return {"name": body.name, "sum": sum(body.amounts[:limit]), "at": ctx.now().isoformat()}


product.process("add", add, reply, on=http.post("/parts"))
