"""Looks into another product's stream."""

from hansa import DataProduct, Problem, ReadContext, http, reply

from .ports import Square, squares

product = DataProduct(__file__)


@product.logic
def find(*, name: str, ctx: ReadContext) -> Square:
    found = ctx.lookup(squares, name=name)
    if found is None:
        raise Problem(404, "square.unknown", f"There is no square of {name}")
    return found


product.process("find", find, reply, on=http.get("/squares/{name}"))
