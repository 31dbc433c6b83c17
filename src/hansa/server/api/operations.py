"""Every operation of the API, in the order in which documents tell them."""

from __future__ import annotations

from hansa.server.api import (
    admin,
    documents,
    events,
    keeping,
    people,
    ports,
    products,
    quarantine,
    runs,
    schema_registry,
    schema_settings,
)
from hansa.server.api.base import ApiRoute, Endpoint

GROUPS = (
    products,
    runs,
    quarantine,
    ports,
    documents,
    events,
    people,
    admin,
    keeping,
    schema_registry,
    schema_settings,
)


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    """The routes of all groups."""
    return [route for group in GROUPS for route in group.routes(endpoint)]
