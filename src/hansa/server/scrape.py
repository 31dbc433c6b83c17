"""The metrics of one running Hansa, as they stand when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from hansa.observe import metric as m
from hansa.observe import readings
from hansa.observe.exposition import exposed
from hansa.observe.metric import Reading
from hansa.server.services import Services


async def scraped(services: Services, accept: str) -> tuple[bytes, str]:
    """All metrics as text, and its media type, as `accept` asks for it. Made on a thread beside the event loop."""
    mesh = services.mesh
    sources = [
        partial(_node, services),
        partial(readings.calls, services.calls),
        partial(readings.runs, services.engine.tally, len(services.engine.active)),
        partial(readings.workers, list(mesh.products.values()), mesh.workshop.forks),
        partial(readings.commits, services.log.tally),
        partial(readings.subscriptions, services.log.log, mesh.subscriptions),
        partial(_schedules, services),
        partial(_views, services, services.standings.lookups()),
    ]
    return await asyncio.to_thread(exposed, sources, accept)


def _node(services: Services) -> Iterator[Reading]:
    node = services.node
    yield Reading(m.INFO, (services.version, node.name), 1)
    yield Reading(m.PRODUCTS, ("live",), len(services.mesh.products))
    yield Reading(m.PRODUCTS, ("failed",), len(services.mesh.failures))
    yield Reading(m.LOG_OWNER, (), node.owns_log())
    yield Reading(m.LOG_STOPPED, (), services.log.log.failure() is not None)
    yield Reading(m.TAKEOVERS, (), node.takeovers())
    yield Reading(m.UNANSWERED, (), node.unanswered())
    yield Reading(m.NODES, (), node.nodes())
    yield Reading(m.REGISTRY_AGE, (), services.registry.access_age_s())
    yield Reading(m.DRAINING, (), node.drains)


def _schedules(services: Services) -> Iterator[Reading]:
    yield Reading(m.SCHEDULES, (), services.scheduler.fired_here)
    yield Reading(m.SCHEDULE_LATE, (), services.scheduler.late_s() or 0.0)


def _views(services: Services, lookups: Mapping[str, Path]) -> Iterator[Reading]:
    for standing in services.standings.standings(lookups):
        if standing.kind == "view":
            yield Reading(m.VIEW_LAG, (standing.name,), standing.behind)
            yield Reading(m.VIEW_BROKEN, (standing.name,), standing.error is not None)
        else:
            yield Reading(m.LOOKUP_LAG, (standing.name,), standing.behind)
