"""Calls that wait, as those do that ask another system."""

import time

from hansa import DataProduct, http, reply

WAIT_S = 0.1

product = DataProduct(__file__)


@product.logic
def wait(body: dict[str, int]) -> dict[str, int]:
    time.sleep(WAIT_S)
    return body


product.process("wait", wait, reply, on=http.post("/wait"))
