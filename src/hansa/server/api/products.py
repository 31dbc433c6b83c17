"""Products: find, plan, deploy, roll back, retire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from hansa.access.decide import Action, Target
from hansa.errors import CallerError, HansaError
from hansa.lifecycle.deploy import Deployment
from hansa.lifecycle.plan import Plan
from hansa.lifecycle.states import StatePlan
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.values import GivenConsent, Product, Revision
from hansa.server.api.base import ApiRoute, Asked, Endpoint, require
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
    """`note` says why; it is kept with the revision. `accept_breaking` says why what breaks consumers is forced, which
    an owner may do. `plan` is the hash of the plan that was seen; another one is not carried out."""

    note: str = ""
    accept_breaking: str = ""
    plan: str = ""


class Rollback(msgspec.Struct, forbid_unknown_fields=True):
    """`to` is a revision's hash; without it, the one before the live one. `accept_breaking` and `plan` are as with a
    deployment."""

    to: str | None = None
    accept_breaking: str = ""
    plan: str = ""


class RollbackQuery(msgspec.Struct):
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
    successor: str | None
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


class StateBody(msgspec.Struct, forbid_unknown_fields=True):
    """The state to go to, and where readers are to go from one that ends. `dry` shows what it would do."""

    state: ProductState
    successor: str | None = None
    dry: bool = False


class ConsentBody(msgspec.Struct, forbid_unknown_fields=True):
    """For whom is consented (one of `domain` and `account`), to which change: of `port`, from the live revision to
    `candidate`. `reason` is kept."""

    port: str
    candidate: str
    reason: str
    domain: str | None = None
    account: str | None = None


class ConsentQuery(msgspec.Struct):
    """`candidate` limits it to those that lead to that revision."""

    candidate: str | None = None


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/products", find, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}", show, Action.CATALOGUE_READ),
        endpoint.route("GET", "/products/{product}/revisions", revisions, Action.CATALOGUE_READ),
        endpoint.route("POST", "/products/{product}/plan", plan, Action.PRODUCT_DEPLOY, content=BUNDLE),
        endpoint.route(
            "POST", "/products/{product}/deploy", deploy, Action.PRODUCT_DEPLOY, content=BUNDLE, answers={PROGRESS: str}
        ),
        endpoint.route("GET", "/products/{product}/rollback", rollback_plan, Action.PRODUCT_DEPLOY),
        endpoint.route("POST", "/products/{product}/rollback", rollback, Action.PRODUCT_DEPLOY),
        endpoint.route("POST", "/products/{product}/retire", retire, Action.PRODUCT_RETIRE),
        endpoint.route("POST", "/products/{product}/state", move, Action.PRODUCT_STATE),
        endpoint.route("POST", "/products/{product}/consents", consent, Action.CONSENT_GIVE),
        endpoint.route("GET", "/products/{product}/consents", consents, Action.CATALOGUE_READ),
    ]


async def find(asked: Asked, query: ProductQuery) -> ProductsFound:
    """Products by text, tag, owner, domain and state."""
    asked.allow()
    found = await asyncio.to_thread(
        asked.services.registry.search, query.text, tag=query.tag, owner=query.owner, domain=query.domain,
        state=query.state, drafts=asked.drafts(), limit=query.limit, offset=query.offset,
    )  # fmt: skip
    return ProductsFound([summary(product) for product in found.products], found.suggestion)


def summary(product: Product) -> ProductSummary:
    """A product in one line."""
    spec = product.live.spec
    return ProductSummary(
        product.id, spec.name, spec.description, spec.domain, spec.owner, spec.tags, product.state, product.successor,
        spec.version,
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
            if i.port.partition("/")[0] == product and s.id != product and asked.sees(s.id)
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


async def plan(asked: Asked) -> Plan:
    """What a deployment of the bundle would change, whom that hits and by what they use, whose consent it takes, and in
    `findings` why it is refused. Nothing is changed."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.planner.plan(product, await asked.body())


async def deploy(asked: Asked, query: DeployQuery) -> Response:
    """Deploys the bundle; the answer is a stream of progress lines and, last, the result or a problem.
    What is refused before there is any progress is refused as it is anywhere. A change that breaks consumers is
    refused (`contract.incompatible`), unless all their consents are given or an owner forces it (`accept_breaking`)."""
    product = asked.path("product")
    target = asked.of(product)
    asked.allow(target)
    if query.accept_breaking:
        require(asked.principal, Action.PRODUCT_FORCE, target)
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
                plan=query.plan,
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


async def rollback_plan(asked: Asked, query: RollbackQuery) -> Plan:
    """What a rollback would change, whom that hits, whose consent it takes, and in `findings` why it is refused.
    Nothing is changed."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.planner.rollback(product, query.to)


async def rollback(asked: Asked, body: Rollback) -> Deployment:
    """Serves an earlier revision again. Where that takes away what consumers use, it is refused as a deployment is
    (`contract.incompatible`), unless all their consents are given or an owner forces it (`accept_breaking`)."""
    product = asked.path("product")
    target = asked.of(product)
    asked.allow(target)
    if body.accept_breaking:
        require(asked.principal, Action.PRODUCT_FORCE, target)
    return await asked.services.deployer.rollback(
        asked.principal.id, product, body.to, accept_breaking=body.accept_breaking, plan=body.plan
    )


async def retire(asked: Asked) -> StatePlan:
    """Ends a product that names no successor."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    return await asked.services.states.move(asked.principal.id, product, ProductState.RETIRED)


async def move(asked: Asked, body: StateBody) -> StatePlan:
    """Moves a product to another state: draft, active, deprecated, retired. The answer says what that does, and why it
    is refused; `dry` shows it and does nothing."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    states = asked.services.states
    if body.dry:
        return await states.plan(product, body.state, body.successor)
    return await states.move(asked.principal.id, product, body.state, body.successor)


async def consent(asked: Asked, body: ConsentBody) -> list[GivenConsent]:
    """Consents to one change of one port: an owner of a domain for the products in it, an account for itself."""
    if (body.domain is None) == (body.account is None):
        hint, details = "Give `domain` or `account`.", {"status": 409}
        raise CallerError("consent.whose", "It must be said for whom is consented, once", hint=hint, details=details)
    asked.allow(Target(domain=body.domain, account=body.account))
    services, product = asked.services, asked.path("product")
    given = services.planner.consent(product, body.port, body.candidate, body.domain, body.account, body.reason)
    await asyncio.to_thread(services.registry.give_consent, asked.principal.id, given)
    return await asyncio.to_thread(services.registry.consents, product, body.candidate)


async def consents(asked: Asked, query: ConsentQuery) -> list[GivenConsent]:
    """The consents to changes of the product's ports."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    await asyncio.to_thread(asked.services.registry.product, product)
    return await asyncio.to_thread(asked.services.registry.consents, product, query.candidate)
