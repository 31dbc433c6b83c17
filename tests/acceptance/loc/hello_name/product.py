"""Says hello to whoever calls. Only callers can be greeted: a schedule is an error here."""

from dataclasses import dataclass

from hansa import DataProduct, ReadContext, http, reply, schedule

product = DataProduct(__file__)


@dataclass(frozen=True)
class Visitor:
    name: str = "World"


@product.logic
def parse(body: Visitor | None, *, ctx: ReadContext) -> Visitor:
    """Who calls; whoever sends nothing is the world."""
    if ctx.trigger.kind != "http":
        raise TypeError(f"A {ctx.trigger.kind} is no caller to greet")
    return body or Visitor()


@product.logic
def greet(visitor: Visitor) -> dict[str, str]:
    return {"message": f"Hello, {visitor.name}!"}


product.process("hello", parse, greet, reply, on=[http.post("/hello"), schedule.every("1s")])
