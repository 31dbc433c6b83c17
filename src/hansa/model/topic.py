"""The name of a port's topic where Hansa's own ids are not permitted, and back: the one place that decides it.

    operations.flights/departures@1    operations-flights-departures-v1

Kafka permits letters, digits, `.`, `_` and `-`, at most 249 characters, and refuses a topic whose name is another's but
for `.` in the place of `_`. Names of Hansa have `_` and never `-`, so `-` parts them, and no two ports share a topic.
"""

from __future__ import annotations

import re
from typing import Final

from hansa.model.ids import NAME, PortId, ProductId

_TOPIC: Final = re.compile(rf"({NAME.pattern})-({NAME.pattern})-({NAME.pattern})-v([1-9][0-9]*)")


def topic_name(port: PortId) -> str:
    """The name of the port's topic outside of Hansa's log."""
    return f"{port.product.domain}-{port.product.name}-{port.name}-v{port.major}"


def port_of_topic(topic: str) -> PortId | None:
    """The port whose topic has that name; None where no port's can."""
    found = _TOPIC.fullmatch(topic)
    return PortId(ProductId(found[1], found[2]), found[3], int(found[4])) if found else None
