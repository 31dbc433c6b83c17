"""What is kept and what is forgotten: views, and persons."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Final

import msgspec

from hansa.access.decide import HANSA, Action
from hansa.errors import OperatorError
from hansa.lifecycle.views import Standing
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.forms import ProductId
from hansa.server.operation import Told
from hansa.views.waiting import Awaited

WAIT_MAX_S: Final = 300.0
BEGUN_S: Final = 0.02
"""How often a broken view is looked at until its new beginning is seen."""


class Subject(msgspec.Struct, forbid_unknown_fields=True):
    """Without `confirm` nothing is done: the answer says what would be."""

    subject: Annotated[str, msgspec.Meta(min_length=1, description="The id that the records have.")]
    product: ProductId | None = None
    confirm: bool = False


class Rebuilding(msgspec.Struct, forbid_unknown_fields=True):
    partial: bool = False


class RebuildQuery(msgspec.Struct):
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX_S)] = 15.0


class Rebuilt(msgspec.Struct, frozen=True):
    """`rebuilt` is False where it is still being built; it is done when it shows `token`."""

    view: str
    rebuilt: bool
    token: str


class Forgotten(msgspec.Struct, frozen=True):
    """What was forgotten, or would be: the numbers of the person's keys, records by port, how many runs and events.
    What is left as it is: `unfinished` runs, products `elsewhere`, processes whose `states` speak of the person, and
    `left`, records by port that speak of the person in clear."""

    product: str | None
    forgotten: bool
    persons: list[int]
    records: dict[str, int]
    runs: int
    events: int
    unfinished: list[str]
    elsewhere: list[str]
    states: list[str]
    left: dict[str, int]


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/views", views, Action.AUDIT_READ),
        endpoint.route("POST", "/views/{view:path}/rebuild", rebuild, Action.VIEW_REBUILD, also={"202": Rebuilt}),
        endpoint.route("POST", "/forget", forget, Action.PERSON_FORGET),
    ]


async def views(asked: Asked) -> list[Standing]:
    """Where each view and lookup stands."""
    asked.allow()
    return await asked.services.standings.all()


async def rebuild(asked: Asked, query: RebuildQuery, body: Rebuilding) -> Told[Rebuilt]:
    """Builds a view or lookup anew from the log; waits up to `wait_s` until that is done, else 202."""
    asked.allow()
    name, services = asked.path("view"), asked.services
    token = await services.standings.rebuild(asked.principal.id, name, partial=body.partial)
    projector = services.followed if name in services.log.log.topics() else services.views
    rebuilt = await _rebuilt(projector, token, name, query.wait_s)
    return Told(Rebuilt(name, rebuilt, token), 200 if rebuilt else 202)


async def _rebuilt(projector: Awaited, token: str, name: str, wait_s: float) -> bool:
    """Waits until a view shows `token`; True where it does. One that is broken is so until its new beginning."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while True:
                try:
                    await projector.reach(token, WAIT_MAX_S, name)
                except OperatorError as failure:
                    if failure.code != "view.broken":
                        raise
                    await asyncio.sleep(BEGUN_S)
                else:
                    return True
    return False


async def forget(asked: Asked, body: Subject) -> Forgotten:
    """Forgets a person, in one product or everywhere; without `confirm`, says what that would take."""
    asked.allow(asked.of(body.product) if body.product else HANSA)
    if body.product is not None:
        await asyncio.to_thread(asked.services.registry.product, body.product)
    forgetting = asked.services.forgetting
    if body.confirm:
        found = await forgetting.forget(asked.principal.id, body.subject, body.product)
    else:
        found = await forgetting.find(body.subject, body.product)
    return Forgotten(
        body.product, body.confirm, sorted(found.persons.values()), found.records, len(found.runs), len(found.events),
        found.unfinished, found.elsewhere, found.states, found.left,
    )  # fmt: skip
