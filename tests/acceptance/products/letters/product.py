from hansa import Context, DataProduct, http, publish_to, reply

from .ports import Letter, Stamp, letters, stamps

product = DataProduct(__file__)


@product.logic
def take(body: list[Letter]) -> list[Letter]:
    return body


@product.logic
def post(body: list[Letter], *, ctx: Context, stamp: int) -> int:
    """Letters and the stamps on them, in one commit."""
    ctx.publish(letters, body)
    ctx.publish(stamps, [Stamp(stamp + at, letter.letter) for at, letter in enumerate(body)])
    return len(body)


@product.logic
def stick(body: list[Stamp]) -> list[Stamp]:
    return body


product.process("take", take, publish_to(letters), on=http.post("/letters"))
product.process("post", post, reply, on=http.post("/posted/{stamp}"))
product.process("stick", stick, publish_to(stamps), on=http.post("/stamps"))
