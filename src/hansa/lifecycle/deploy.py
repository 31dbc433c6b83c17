"""Deploy and roll back. Nothing changes unless all of it does: old or new, never a mix."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import msgspec

from hansa.errors import CallerError
from hansa.lifecycle.changes import Change
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.plan import Plan
from hansa.lifecycle.planner import Candidate, Planner, Progress, first_state
from hansa.lifecycle.windows import Coming, Windows
from hansa.model.product import HttpTrigger, ProductSpec, ProductState
from hansa.registry.values import Consent, Deployed
from hansa.sdk.finding import plan_error


class DeployedRoute(msgspec.Struct, frozen=True):
    """A route that is served now."""

    method: str
    path: str
    process: str
    public: bool
    body: str


class Deployment(msgspec.Struct, frozen=True):
    """What a deployment or a rollback did. `created`: the revision was not known before. `changed`: something else, or
    nothing, was live before."""

    product: str
    revision: str
    number: int
    created: bool
    changed: bool
    previous: str | None
    routes: list[DeployedRoute]
    ports: list[str]
    processes: list[str]
    changes: list[Change]
    seconds: float
    notes: list[str] = []
    """What its plan tells beside its changes, such as reads of what is on its way out."""


class Deployer:
    """Deployments of one mesh, one at a time per product."""

    def __init__(self, mesh: Mesh, planner: Planner, locks: Locks) -> None:
        self._mesh = mesh
        self._windows = Windows(mesh)
        self._planner = planner
        self._locks = locks

    async def deploy(
        self,
        actor: str,
        product: str,
        bundle: bytes,
        *,
        note: str = "",
        accept_breaking: str = "",
        plan: str = "",
        progress: Progress = lambda _: None,
    ) -> Deployment:
        """Makes the bundle live. What is the same as the live revision makes no new one.

        Raises `PlanError` (`contract.incompatible`, `expectation.failed`) where a change breaks consumers whose
        consents are missing, unless `accept_breaking` says why it is forced; the audit keeps who consented, or that
        reason.
        Raises `CallerError`: `plan.stale` where `plan`, the hash of the plan that was seen, is not what would be done
        now; `deploy.conflict` where another deployment came first, which whoever sent this one has not seen.
        """
        begun = time.monotonic()
        seen = self._live(product)
        async with self._locks.turn(product):
            folder, declared, same = await asyncio.to_thread(self._compared, product, bundle)
            if same is not None:
                return self._told(same, [], time.monotonic() - begun, is_new=False)
            self._check_seen(product, seen)
            deployed, done, is_new = await self._deploy(
                actor, product, folder, declared, bundle, note, accept_breaking, plan, progress
            )
        await self._mesh.spread()
        told = self._told(deployed, list(done.changes), time.monotonic() - begun, is_new=is_new)
        return msgspec.structs.replace(told, notes=list(done.notes))

    async def _deploy(
        self, actor: str, product: str, folder: Path, declared: ProductSpec, bundle: bytes, note: str, forced: str,
        plan: str, progress: Progress,
    ) -> tuple[Deployed, Plan, bool]:  # fmt: skip
        mesh = self._mesh
        stored = mesh.spawn(asyncio.to_thread(mesh.blobs.put, bundle))
        try:
            candidate = await self._planner.candidate(product, folder, declared, progress)
        finally:
            blob = await stored  # a bundle that is refused may stay there: nothing refers to it

        def deploy(consent: Consent | None) -> Deployed:
            spec, state = candidate.spec, first_state(candidate.spec)
            return mesh.registry.deploy(actor, spec, candidate.hash, blob, note, consent, state)

        deployed, is_new = await self._switch(candidate, plan, forced, deploy, progress)
        return deployed, candidate.plan, is_new

    async def _switch(
        self, candidate: Candidate, plan: str, forced: str, decide: Callable[[Consent | None], Deployed],
        progress: Progress,
    ) -> tuple[Deployed, bool]:  # fmt: skip
        """Serves the candidate, once its plan may be carried out and `decide` has made it live in the registry. Its
        workers leave where that fails."""
        mesh, product = self._mesh, candidate.spec.id
        is_served = False
        try:
            consent = consent_to(candidate.plan, plan, forced)
            mesh.declare(candidate.spec)
            async with self._windows.switched(Coming(candidate.spec, candidate.hash, candidate.pool), progress):
                deployed = await asyncio.to_thread(decide, consent)
                is_new = deployed.previous != candidate.hash or product not in mesh.products
                is_served = True
                await self._serve(deployed, candidate, is_new=is_new)
        except BaseException:
            if not is_served:
                await candidate.pool.drain()
            raise
        return deployed, is_new

    async def _serve(self, deployed: Deployed, candidate: Candidate, *, is_new: bool) -> None:
        if is_new:
            await self._mesh.activate(deployed.product, candidate.pool)
        else:
            await candidate.pool.drain()

    def _live(self, product: str) -> str | None:
        live = self._mesh.products.get(product)
        return live.revision if live else None

    def _check_seen(self, product: str, seen: str | None) -> None:
        """Raises where another revision became live while this deployment waited for its turn."""
        live = self._live(product)
        if live != seen:
            raise CallerError(
                "deploy.conflict",
                f"{product} was deployed by another meanwhile: revision {live} is live, not {seen or 'none'}",
                hint="Look at what it changed (`hansa plan`), take it over, and deploy again.",
                details={"live": live},
            )

    def _compared(self, product: str, bundle: bytes) -> tuple[Path, ProductSpec, Deployed | None]:
        folder, declared = self._planner.read(product, bundle)
        return folder, declared, self._same(product, folder.name)

    def _same(self, product: str, revision: str) -> Deployed | None:
        """The live revision, where it is that one and served: there is nothing to load, check or change."""
        served = self._mesh.products.get(product)
        if served is None or served.revision != revision:
            return None
        known = self._mesh.registry.product(product)
        is_live = known.state is not ProductState.RETIRED and known.live.hash == revision
        return Deployed(known, False, revision) if is_live else None

    def _told(self, deployed: Deployed, made: list[Change], seconds: float, *, is_new: bool) -> Deployment:
        spec, revision = deployed.revision.spec, deployed.revision
        routes = [
            DeployedRoute(t.method, t.path, p.name, t.public, t.body)
            for p in spec.processes
            for t in p.triggers
            if isinstance(t, HttpTrigger)
        ]
        return Deployment(
            spec.id, revision.hash, revision.number, deployed.created, is_new, deployed.previous, routes,
            [port.id for port in spec.outputs], [f"{spec.id}:{p.name}" for p in spec.processes], made,
            round(seconds, 3),
        )  # fmt: skip

    async def rollback(
        self, actor: str, product: str, to: str | None = None, *, accept_breaking: str = "", plan: str = ""
    ) -> Deployment:
        """Serves an earlier revision again: code, contract and triggers. It is a change as any deployment is: planned,
        and refused where it breaks consumers whose consents are missing. Raises as `deploy` does."""
        begun = time.monotonic()
        seen = self._live(product)
        async with self._locks.turn(product):
            self._check_seen(product, seen)
            candidate = await self._planner.earlier(product, to)
            roll_back = partial(self._mesh.registry.rollback, actor, product, to)
            deployed, is_new = await self._switch(candidate, plan, accept_breaking, roll_back, lambda _: None)
        await self._mesh.spread()
        told = self._told(deployed, list(candidate.plan.changes), time.monotonic() - begun, is_new=is_new)
        return msgspec.structs.replace(told, notes=list(candidate.plan.notes))


Turn = Callable[[str], AbstractAsyncContextManager[None]]
"""A product's turn among the nodes that share a registry."""


class Locks:
    """One lock for each product: what changes one waits for its turn, here and at other nodes."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self.among_nodes: Turn = lambda _: nullcontext()

    def of(self, product: str) -> asyncio.Lock:
        """The lock of this node."""
        return self._locks.setdefault(product, asyncio.Lock())

    @asynccontextmanager
    async def turn(self, product: str) -> AsyncIterator[None]:
        """Nobody else changes the product meanwhile, and this node serves what the one before has made of it."""
        async with self.among_nodes(product), self.of(product):
            yield


def consent_to(plan: Plan, seen: str, forced: str) -> Consent | None:
    """By what a plan may be deployed, None where nothing breaks. Raises `CallerError("plan.stale")` where it is not the
    plan that was `seen`, and `PlanError` where consents are missing and no reason forces it."""
    if seen and seen != plan.hash:
        raise CallerError(
            "plan.stale",
            f"The plan {seen} is not what a deploy of {plan.product} would do now: that is {plan.hash}",
            hint="Something moved since: run `hansa plan` again and look at it.",
            details={"status": 409, "plan": plan.hash},
        )
    if plan.findings and not forced.strip():
        raise plan_error(plan.findings)
    breaking = tuple(change.text for change in plan.changes if change.kind == "breaking")
    breaking += tuple(failure for one in plan.expectations for failure in one.failures)
    if not breaking:
        return None
    given = tuple(sorted({f"{one.given_by} for {one.kind} {one.of}" for one in plan.consents if one.given_by}))
    if plan.findings:
        return Consent(forced.strip(), breaking, True, given)
    reason = "all consents are given" if plan.consents else "nobody who is known is hit"
    return Consent(reason, breaking, False, given)
