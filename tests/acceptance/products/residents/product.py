from hansa import DataProduct, http, publish_to

from .ports import People, people

product = DataProduct(__file__)


@product.logic
def take(body: list[People]) -> list[People]:
    return body


product.process("take", take, publish_to(people), on=http.post("/people"))
