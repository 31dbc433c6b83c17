"""Products: find, plan, deploy, roll back, retire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from hansa.access.decide import Action
from hansa.errors import HansaError
from hansa.model.product import ProductState
from hansa.registry.values import Product, Revision
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.forms import Count, Limit
from hansa.server.merge import rfc3339
from hansa.server.problems import problem

BUNDLE: Final = "application/x-tar"
PROGRESS: Final = "application/x-ndjson"


class ProductQuery(msgspec.Struct):
    text: str = ""
    tag: str | None = None
    owner: str | None = None
    domain: str | None = None
    state: ProductState | None = None
    limit: Limit = 50
    offset: Count = 0


class DeployQuery(msgspec.Struct):
    """`note` says why; it is kept with the revision. `accept_breaking` says why what breaks readers is meant."""

    note: str = ""
    accept_breaking: str = ""


class Rollback(msgspec.Struct, forbid_unknown_fields=True):
    """`to` is a revision's hash; without it, the one before the live one."""

    to: str | None = None


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/products", find, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}", show, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}/revisions", revisions, Action.CATALOGUE_READ),
        endpoint.route("POST", "/products/{product}/plan", plan, Action.PRODUCT_DEPLOY, content=BUNDLE),
        endpoint.route(
            "POST", "/products/{product}/deploy", deploy, Action.PRODUCT_DEPLOY, content=BUNDLE, answers=(PROGRESS,)
        ),
        endpoint.route("POST", "/products/{product}/rollback", rollback, Action.PRODUCT_DEPLOY),
        endpoint.route("POST", "/products/{product}/retire", retire, Action.PRODUCT_RETIRE),
    ]


async def find(asked: Asked, query: ProductQuery) -> Any:
    """Products by text, tag, owner, domain and state."""
    asked.allow()
    found = await asyncio.to_thread(
        asked.services.registry.search, query.text, tag=query.tag, owner=query.owner, domain=query.domain,
        state=query.state, limit=query.limit, offset=query.offset,
    )  # fmt: skip
    return {"items": [summary(product) for product in found.products], "hint": found.suggestion}


def summary(product: Product) -> dict[str, Any]:
    """A product in one line."""
    spec = product.live.spec
    return {
        "id": product.id, "name": spec.name, "description": spec.description, "domain": spec.domain,
        "owner": spec.owner,
        "tags": spec.tags, "state": product.state, "version": spec.version, "revision": product.live.hash,
        "ports": [port.id for port in spec.outputs], "processes": [process.name for process in spec.processes],
        "use_cases": sorted({p.use_case for p in spec.processes if p.use_case}),
        "deployed_at": rfc3339(product.live.time_us), "deployed_by": product.live.actor,
    }  # fmt: skip


async def show(asked: Asked) -> Any:
    """A product with its spec, its workers and what it reads and who reads it."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    found = await asyncio.to_thread(asked.services.registry.product, product)
    live = asked.services.mesh.products.get(product)
    readers = sorted(
        {
            s.id
            for s in asked.services.mesh.specs()
            for i in s.inputs
            if i.port.partition("/")[0] == product and s.id != product
        }
    )
    failure = asked.services.mesh.failures.get(product)
    return {
        **summary(found),
        "spec": found.live.spec,
        "reads": [i.port for i in found.live.spec.inputs],
        "read_by": readers,
        "workers": len(live.pool.workers) if live else 0,
        "waiting": live.pool.waiting if live else 0,
        "failure": failure.as_dict() if failure else None,
    }


async def revisions(asked: Asked) -> Any:
    """All revisions, the newest first."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    found = await asyncio.to_thread(asked.services.registry.revisions, product)
    live = (await asyncio.to_thread(asked.services.registry.product, product)).live.hash
    return {"items": [_revision(revision, live) for revision in found]}


def _revision(revision: Revision, live: str) -> dict[str, Any]:
    return {
        "revision": revision.hash, "number": revision.number, "live": revision.hash == live, "actor": revision.actor,
        "time": rfc3339(revision.time_us), "note": revision.note, "version": revision.spec.version,
    }  # fmt: skip


async def plan(asked: Asked) -> Any:
    """What a deployment of the bundle would change, and in `findings` why it is refused without a consent. Nothing is
    changed."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    planned = await asked.services.deployer.plan(product, await asked.body())
    await planned.pool.drain()
    return {"product": product, "revision": planned.hash, "changes": planned.changes, "findings": planned.refusals}


async def deploy(asked: Asked, query: DeployQuery) -> Any:
    """Deploys the bundle; the answer is a stream of progress lines and, last, the result or a problem.
    What is refused before there is any progress is refused as it is anywhere. A change that breaks readers of a port is
    refused (`contract.incompatible`), unless `accept_breaking` says why it is meant."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    lines = _deploying(asked, product, await asked.body(), query)
    first = await anext(lines)
    if isinstance(first, HansaError):
        raise first
    if "result" in first:  # there was no progress to tell
        await lines.aclose()
        return Response(_line(first), media_type=PROGRESS)
    return StreamingResponse(_told(first, lines), media_type=PROGRESS)


Line = dict[str, Any] | HansaError
"""Progress or the result; or why there is none."""


async def _deploying(asked: Asked, product: str, bundle: bytes, query: DeployQuery) -> AsyncGenerator[Line, None]:
    """What a deployment tells. It goes on where its caller goes away."""
    lines: asyncio.Queue[Line | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def progress(text: str) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, {"progress": text})

    async def work() -> None:
        try:
            deployer = asked.services.deployer
            found = await deployer.deploy(
                asked.principal.id,
                product,
                bundle,
                note=query.note,
                accept_breaking=query.accept_breaking,
                progress=progress,
            )
            lines.put_nowait({"result": found})
        except HansaError as refusal:
            lines.put_nowait(refusal)
        finally:
            lines.put_nowait(None)

    task = asked.services.mesh.spawn(work())
    while (line := await lines.get()) is not None:
        yield line
    await task


async def _told(first: Line, others: AsyncGenerator[Line, None]) -> AsyncIterator[bytes]:
    yield _line(first)
    async for line in others:
        yield _line(line)


def _line(line: Line) -> bytes:
    return msgspec.json.encode({"error": problem(line)} if isinstance(line, HansaError) else line) + b"\n"


async def rollback(asked: Asked, body: Rollback) -> Any:
    """Serves an earlier revision again."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.deployer.rollback(asked.principal.id, product, body.to)


async def retire(asked: Asked) -> Any:
    """Ends a product."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.deployer.retire(asked.principal.id, product)
