"""Records that broke their contract: what waits, and what is done with it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.discovery.quarantine import Entry, QuarantineQuery, State
from hansa.lifecycle.operations import SEEN_S
from hansa.model.quarantine import Reason
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.run_forms import answered
from hansa.server.api.runs import ALSO, RESULT, Wait
from hansa.server.forms import Limit, Moment, ProductId, Time
from hansa.server.merge import rfc3339
from hansa.views.times import parse_time


class FindQuery(msgspec.Struct, kw_only=True):
    """`text` is looked for in the reasons."""

    port: str | None = None
    product: ProductId | None = None
    process: str | None = None
    run: str | None = None
    state: Literal["waiting", "replayed", "discarded", "all"] = "waiting"
    text: str | None = None
    since: Time | None = None
    limit: Limit = 50
    after: str | None = None
    token: str | None = None


class WaitQuery(msgspec.Struct):
    wait_s: Wait = 15.0


class Correction(msgspec.Struct, forbid_unknown_fields=True):
    record: dict[str, Any]


class Discarding(msgspec.Struct, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class QuarantinedRecord(msgspec.Struct, frozen=True):
    """A record that was set aside, and why. `run` is the run that published it, `settled_run` the one that published
    it in the end."""

    id: str
    port: str
    product: str
    process: str
    run: str
    state: State
    reasons: list[Reason]
    corrected_by: str | None
    settled_by: str | None
    settled_run: str | None
    reason: str | None
    held_at: Moment
    settled_at: Moment | None


class QuarantineFound(msgspec.Struct, frozen=True):
    """A page of records that were set aside; `next` is what `after` takes for the page behind."""

    items: list[QuarantinedRecord]
    next: str | None


class QuarantineDetail(QuarantinedRecord, frozen=True, kw_only=True):
    """One of them, with the record as it stands now."""

    record: Any


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    read, mend = Action.QUARANTINE_READ, Action.QUARANTINE_MEND
    return [
        endpoint.route("GET", "/quarantine", find, read),
        endpoint.route("GET", "/quarantine/{entry}", show, read),
        endpoint.route("POST", "/quarantine/{entry}/correct", correct, mend),
        endpoint.route("POST", "/quarantine/{entry}/replay", replay, mend, answers=RESULT, also=ALSO),
        endpoint.route("POST", "/quarantine/{entry}/discard", discard, mend),
    ]


async def find(asked: Asked, query: FindQuery) -> QuarantineFound:
    """Records that were set aside, newest first, with the reasons; those that wait, unless `state` says otherwise."""
    product, domains = query.product, None
    if product is None and query.port:
        product = query.port.partition("/")[0]
    if product is not None:
        asked.allow(asked.of(product))
        await asyncio.to_thread(asked.services.registry.product, product)
    elif (within := asked.within()) is not None:
        domains = sorted(within)
    services = asked.services
    await services.views.reach(await asked.token(query.token), SEEN_S, "quarantine")
    state = None if query.state == "all" else query.state
    wanted = QuarantineQuery(
        query.port, query.product, query.process, query.run, state, domains, query.text,
        parse_time(query.since) if query.since else None, query.limit, query.after,
    )  # fmt: skip
    page = await asyncio.to_thread(services.aside.find, wanted)
    return QuarantineFound([_told(entry) for entry in page.entries], page.next)


async def show(asked: Asked) -> QuarantineDetail:
    """One of them, with the record as it stands now."""
    entry, record = await asked.services.quarantine.get(asked.path("entry"))
    asked.allow(asked.of(entry.product))
    return _detail(entry, record)


async def correct(asked: Asked, body: Correction) -> QuarantineDetail:
    """Puts another record in its place."""
    entry = await _allowed(asked)
    await asked.services.quarantine.correct(asked.principal.id, entry.id, body.record)
    return await _now(asked)


async def replay(asked: Asked, query: WaitQuery) -> Response:
    """Checks it again and publishes it, once, in a run that is linked to the first; fails with the reasons where the
    contract is broken still."""
    entry = await _allowed(asked)
    return answered(await asked.services.quarantine.replay(asked.principal.id, entry.id, query.wait_s))


async def discard(asked: Asked, body: Discarding) -> QuarantineDetail:
    """It will not be published."""
    entry = await _allowed(asked)
    await asked.services.quarantine.discard(asked.principal.id, entry.id, body.reason)
    return await _now(asked)


async def _allowed(asked: Asked) -> Entry:
    entry, _ = await asked.services.quarantine.get(asked.path("entry"))
    asked.allow(asked.of(entry.product))
    return entry


async def _now(asked: Asked) -> QuarantineDetail:
    return _detail(*await asked.services.quarantine.get(asked.path("entry")))


def _detail(entry: Entry, record: Any) -> QuarantineDetail:
    return QuarantineDetail(**msgspec.structs.asdict(_told(entry)), record=record)


def _told(entry: Entry) -> QuarantinedRecord:
    found = msgspec.structs.asdict(entry)
    held_us, settled_us = found.pop("held_us"), found.pop("settled_us")
    return QuarantinedRecord(**found, held_at=rfc3339(held_us), settled_at=rfc3339(settled_us) if settled_us else None)
