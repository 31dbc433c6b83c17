"""Products: find, plan, deploy, roll back, retire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from hansa.access.decide import Action
from hansa.errors import HansaError
from hansa.lifecycle.changes import Change
from hansa.lifecycle.deploy import Deployment
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.values import Product, Revision
from hansa.sdk.finding import Finding
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.forms import Count, Limit, Moment
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


class ProductSummary(msgspec.Struct, frozen=True):
    """A product in one line, with what its live revision has."""

    id: str
    name: str
    description: str
    domain: str
    owner: str
    tags: tuple[str, ...]
    state: ProductState
    version: str
    revision: str
    ports: list[str]
    processes: list[str]
    use_cases: list[str]
    deployed_at: Moment
    deployed_by: str


class ProductsFound(msgspec.Struct, frozen=True):
    """The products that fit, best first; where none does, `hint` may say which word was meant."""

    items: list[ProductSummary]
    hint: str | None


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a product is not served."""

    code: str
    message: str
    hint: str | None = None
    details: dict[str, Any] | None = None


class ProductDetail(ProductSummary, frozen=True, kw_only=True):
    """A product with its spec, the ports that it reads, the products that read it, and how busy it is."""

    spec: ProductSpec
    reads: list[str]
    read_by: list[str]
    workers: int
    waiting: int
    failure: Failure | None


class RevisionSummary(msgspec.Struct, frozen=True):
    """One state of a product's folder, who deployed it and why."""

    revision: str
    number: int
    live: bool
    actor: str
    time: Moment
    note: str
    version: str


class Planned(msgspec.Struct, frozen=True):
    """What a deployment would change; `findings` say why it is refused without a consent."""

    product: str
    revision: str
    changes: list[Change]
    findings: list[Finding]
    warnings: list[str] = []
    """What it reads that is on its way out."""


class Retired(msgspec.Struct, frozen=True):
    """The product answers no more."""

    product: str
    state: str


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/products", find, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}", show, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}/revisions", revisions, Action.CATALOGUE_READ),
        endpoint.route("POST", "/products/{product}/plan", plan, Action.PRODUCT_DEPLOY, content=BUNDLE),
        endpoint.route(
            "POST", "/products/{product}/deploy", deploy, Action.PRODUCT_DEPLOY, content=BUNDLE, answers={PROGRESS: str}
        ),
        endpoint.route("POST", "/products/{product}/rollback", rollback, Action.PRODUCT_DEPLOY),
        endpoint.route("POST", "/products/{product}/retire", retire, Action.PRODUCT_RETIRE),
    ]


async def find(asked: Asked, query: ProductQuery) -> ProductsFound:
    """Products by text, tag, owner, domain and state."""
    asked.allow()
    found = await asyncio.to_thread(
        asked.services.registry.search, query.text, tag=query.tag, owner=query.owner, domain=query.domain,
        state=query.state, limit=query.limit, offset=query.offset,
    )  # fmt: skip
    return ProductsFound([summary(product) for product in found.products], found.suggestion)


def summary(product: Product) -> ProductSummary:
    """A product in one line."""
    spec = product.live.spec
    return ProductSummary(
        product.id, spec.name, spec.description, spec.domain, spec.owner, spec.tags, product.state, spec.version,
        product.live.hash, [port.id for port in spec.outputs], [process.name for process in spec.processes],
        sorted({p.use_case for p in spec.processes if p.use_case}), rfc3339(product.live.time_us), product.live.actor,
    )  # fmt: skip


async def show(asked: Asked) -> ProductDetail:
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
    return ProductDetail(
        **msgspec.structs.asdict(summary(found)),
        spec=found.live.spec,
        reads=[i.port for i in found.live.spec.inputs],
        read_by=readers,
        workers=len(live.pool.workers) if live else 0,
        waiting=live.pool.waiting if live else 0,
        failure=Failure(failure.code, failure.message, failure.hint, failure.details or None) if failure else None,
    )


async def revisions(asked: Asked) -> list[RevisionSummary]:
    """All revisions, the newest first."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    found = await asyncio.to_thread(asked.services.registry.revisions, product)
    live = (await asyncio.to_thread(asked.services.registry.product, product)).live.hash
    return [_revision(revision, live) for revision in found]


def _revision(revision: Revision, live: str) -> RevisionSummary:
    return RevisionSummary(
        revision.hash, revision.number, revision.hash == live, revision.actor, rfc3339(revision.time_us),
        revision.note, revision.spec.version,
    )  # fmt: skip


async def plan(asked: Asked) -> Planned:
    """What a deployment of the bundle would change, and in `findings` why it is refused without a consent. Nothing is
    changed."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    planned = await asked.services.deployer.plan(product, await asked.body())
    await planned.pool.drain()
    return Planned(product, planned.hash, planned.changes, planned.refusals, planned.warnings)


async def deploy(asked: Asked, query: DeployQuery) -> Response:
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


Line = Mapping[str, str | Deployment] | HansaError
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


async def rollback(asked: Asked, body: Rollback) -> Deployment:
    """Serves an earlier revision again."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.deployer.rollback(asked.principal.id, product, body.to)


async def retire(asked: Asked) -> Retired:
    """Ends a product."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return Retired(**await asked.services.deployer.retire(asked.principal.id, product))
