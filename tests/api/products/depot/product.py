"""A product of another domain."""

from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def parts() -> list[str]:
    return ["a wheel"]


product.process("parts", parts, reply, on=http.get("/parts"))
