"""Every operation of the API, in the order in which documents tell them."""

from __future__ import annotations

from typing import Any, cast

from hansa.server.api import (
    admin,
    changing,
    documents,
    events,
    interfaces,
    keeping,
    observing,
    people,
    ports,
    products,
    quarantine,
    runs,
    schema_registry,
    schema_settings,
    windows,
)
from hansa.server.api.base import ApiRoute, Endpoint
from hansa.server.operation import Operation

GROUPS = (
    products,
    runs,
    quarantine,
    ports,
    windows,
    documents,
    interfaces,
    changing,
    events,
    people,
    admin,
    keeping,
    observing,
    schema_registry,
    schema_settings,
)


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    """The routes of all groups."""
    return [route for group in GROUPS for route in group.routes(endpoint)]


def declared() -> list[Operation]:
    """What the routes are, without a Hansa that serves them."""
    return [route.operation for route in routes(Endpoint(cast("Any", None)))]
