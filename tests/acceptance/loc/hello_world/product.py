"""Says hello to the world; started by hand."""

from hansa import DataProduct, ReadContext, manual

product = DataProduct(__file__)


@product.logic
def greet() -> str:
    return "Hello World!"


@product.aggregator
def respond(message: str, *, ctx: ReadContext) -> dict[str, str]:
    return {"status": "ok", "run": ctx.run.id, "message": message}


product.process("hello", greet, respond, on=manual())
