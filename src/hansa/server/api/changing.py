"""What changed: between two versions of a port's contract, between two revisions of a product."""

from __future__ import annotations

import asyncio

import msgspec

from hansa.access.decide import Action
from hansa.contracts.changelog import ChangeLog
from hansa.lifecycle.changes import Change
from hansa.model.ids import PortId
from hansa.server.api.base import ApiRoute, Asked, Endpoint


class BetweenQuery(msgspec.Struct):
    """Two versions of a contract, or the hashes of two revisions. Without them, what was changed last."""

    older: str | None = None
    newer: str | None = None


class ProductChanges(msgspec.Struct, frozen=True):
    """What the revision `newer` changed of `older`, those that break first."""

    product: str
    older: str
    newer: str
    entries: list[Change]


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/products/{product}/changes", product_changes, Action.CATALOGUE_READ),
        endpoint.route("GET", "/ports/{product}/{port}/changes", contract_changes, Action.CATALOGUE_READ),
    ]


async def product_changes(asked: Asked, query: BetweenQuery) -> ProductChanges:
    """What changed between two revisions of a product, in words; the last two that were deployed unless named."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    find = asked.services.history.product_changes
    return ProductChanges(product, *await asyncio.to_thread(find, product, query.older, query.newer))


async def contract_changes(asked: Asked, query: BetweenQuery) -> ChangeLog:
    """What changed between two versions of a port's contract, of whatever major, each with its evidence."""
    port = PortId.parse(f"{asked.path('product')}/{asked.path('port')}")
    asked.allow(asked.of(asked.path("product")))
    return await asyncio.to_thread(asked.services.history.contract_changes, port, query.older, query.newer)
