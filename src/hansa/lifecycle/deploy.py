"""Plan, deploy, roll back and retire. Nothing changes unless all of it does: old or new, never a mix."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hansa.blobs.bundle import hash_of, unpack
from hansa.contracts.odps import ProductReader
from hansa.contracts.schemas.wire import wire_schema
from hansa.contracts.seal import check_seal
from hansa.errors import AuthorError, CallerError, HansaError
from hansa.lifecycle.breaking import earlier_contracts, ended_reads, readers, refusals, warnings_of
from hansa.lifecycle.changes import Change, changes
from hansa.lifecycle.mesh import REVISION_CHARS, Mesh
from hansa.lifecycle.patience import saying
from hansa.lifecycle.windows import Coming, Windows
from hansa.model.product import (
    ContractSpec,
    HttpTrigger,
    OnceTrigger,
    OutputPortSpec,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ProductState,
    ScheduleTrigger,
    Trigger,
)
from hansa.registry.values import Consent, Deployed
from hansa.runtime.job import Worker
from hansa.runtime.pool import Pool
from hansa.sdk.describe import absolute_path
from hansa.sdk.finding import Finding, plan_error
from hansa.triggers import schedule
from hansa.triggers.routes import check_taken

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A revision that was loaded and checked. `worker` already serves it."""

    spec: ProductSpec
    hash: str
    bundle: bytes
    pool: Pool
    changes: list[Change]
    refusals: list[Finding]
    """Why it is not deployed without a consent: a finding for each breaking change."""
    warnings: list[str]
    """What it reads that is on its way out."""


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
    warnings: list[str] = []
    """What it reads that is on its way out."""


def _timed(process: ProcessSpec, trigger: Trigger) -> Finding | None:
    """What is wrong with a schedule, said at plan and not each time that it should fire."""
    if not isinstance(trigger, ScheduleTrigger | OnceTrigger):
        return None
    try:
        schedule.check(trigger)
    except HansaError as wrong:
        return Finding(wrong.code, wrong.message, wrong.hint, process.file, process.line)
    return None


def _on_topic(port: OutputPortSpec) -> Finding | None:
    """What is wrong with the form that a contract asks for its records outside of Hansa."""
    if port.contract.wire_format is None:
        return None
    try:
        wire_schema(port.contract, "value")
    except AuthorError as wrong:
        return Finding(wrong.code, f"{port.id}: {wrong.message}", wrong.hint, "product.yaml")
    return None


def described(declared: ProductSpec, found: bytes) -> ProductSpec:
    """The revision's spec: its processes as the worker described them, everything else as its files declare it, for
    what comes out of a worker may be forged. Raises `PlanError` for a description that no compilation makes."""
    try:
        told = msgspec.msgpack.decode(found, type=ProductSpec)
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise plan_error([Finding("product.description", f"Its description cannot be read: {fault}")]) from fault
    spec = replace(declared, logic=told.logic, processes=told.processes)
    strange = [
        Finding(
            "route.foreign", f"{p.name} answers at {t.path}, which is not under {spec.id}", file=p.file, line=p.line
        )
        for p in spec.processes
        for t in p.triggers
        if isinstance(t, HttpTrigger) and t.path != absolute_path(t.path, spec.id)
    ]
    if strange:
        raise plan_error(strange)
    return spec


def _contracts(spec: ProductSpec) -> dict[str, ContractSpec]:
    return {port.id: port.contract for port in spec.outputs}


class Deployer:
    """Deployments of one mesh, one at a time per product."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._windows = Windows(mesh)
        self._locks: dict[str, asyncio.Lock] = {}
        self._reader = ProductReader()
        self._reading = threading.Lock()

    async def plan(self, product: str, bundle: bytes, progress: Progress = lambda _: None) -> Planned:
        """Loads the bundle in a worker and compares it with what is live. Raises `PlanError` with all findings."""
        folder, declared = await asyncio.to_thread(self._read, product, bundle)
        return await self._planned(product, bundle, folder, declared, progress)

    async def _planned(
        self, product: str, bundle: bytes, folder: Path, declared: ProductSpec, progress: Progress
    ) -> Planned:
        mesh = self._mesh
        serve = await mesh.to_serve(product, folder.name, folder, declared, progress)
        holder: list[Worker] = []
        pool = mesh.pool(serve)
        async with saying(progress, f"{product}: product.py is still being imported"):
            link, loaded = await mesh.workshop.worker(
                serve, lambda message: pool.heard(holder[0], message) if holder else None, lambda: pool.lost(holder)
            )
        holder.append(pool.adopt(link))
        spec = described(declared, loaded.spec)
        live = mesh.products.get(product)
        try:
            self._check(spec)
            await self._windows.tried(Coming(spec, folder.name, pool), folder)
        except HansaError:
            await pool.drain()
            raise
        is_same = live is not None and _contracts(live.spec) == _contracts(spec)
        earlier = {} if live is None or is_same else await asyncio.to_thread(self._earlier, product)
        made = changes(live.spec if live else None, spec, earlier)
        others = (other for other in mesh.specs() if other.id != product)
        warnings = warnings_of(spec, mesh.specs(), datetime.now(UTC))
        hitting = [change for change in made if change.id not in mesh.retired]
        return Planned(spec, folder.name, bundle, pool, made, refusals(hitting, readers(others)), warnings)

    def _earlier(self, product: str) -> dict[str, dict[str, ContractSpec]]:
        """The contracts of the product's ports so far; records by them are in the log."""
        return earlier_contracts(self._mesh.registry.revisions(product))

    def _read(self, product: str, bundle: bytes) -> tuple[Path, ProductSpec]:
        """The folder of a bundle's files, named by the short hash of their content (the revision), and what they
        declare. Raises where that is another product, or of a domain that there is not."""
        folder = self._mesh.data / "revisions" / hash_of(bundle)[:REVISION_CHARS]
        with self._reading:
            if not folder.exists():
                unpack(bundle, folder)
            declared = self._reader.read(folder)
        if declared.id != product:
            raise AuthorError(
                "product.other_id",
                f"The folder is of {declared.id}, not of {product}",
                hint="Deploy it under the id that stands in its product.yaml.",
            )
        self._mesh.registry.domain(declared.domain)
        check_seal(folder, declared)
        return folder, declared

    def _check(self, spec: ProductSpec) -> None:
        """What only the mesh as a whole can tell."""
        mesh = self._mesh
        others = [other for other in mesh.specs() if other.id != spec.id]
        check_taken(spec, others)
        known = {port.id for other in [*others, spec] for port in other.outputs}
        ended = ended_reads(spec, mesh.retired)
        if ended:
            raise plan_error(ended)
        findings = [
            Finding("port.unknown", f"The input {i.name} reads {i.port}, which nobody publishes", file="product.yaml")
            for i in spec.inputs
            if i.port not in known
        ]
        findings += [
            Finding("port.unknown", f"{p.name} follows {t.port}, which nobody publishes", file=p.file, line=p.line)
            for p in spec.processes
            for t in p.triggers
            if isinstance(t, PortTrigger) and t.port not in known
        ]
        findings += [finding for p in spec.processes for t in p.triggers if (finding := _timed(p, t)) is not None]
        findings += [finding for port in spec.outputs if (finding := _on_topic(port)) is not None]
        if findings:
            raise plan_error(findings)

    async def deploy(
        self,
        actor: str,
        product: str,
        bundle: bytes,
        *,
        note: str = "",
        accept_breaking: str = "",
        progress: Progress = lambda _: None,
    ) -> Deployment:
        """Makes the bundle live. What is the same as the live revision makes no new one.

        Raises `PlanError("contract.incompatible")` where a change breaks readers of a port, unless `accept_breaking`
        says why that is meant; the audit keeps the reason with each change.
        """
        begun = time.monotonic()
        async with self._locks.setdefault(product, asyncio.Lock()):
            mesh = self._mesh
            folder, declared, same = await asyncio.to_thread(self._compared, product, bundle)
            if same is not None:
                return self._told(same, [], time.monotonic() - begun, is_new=False)
            stored = mesh.spawn(asyncio.to_thread(mesh.blobs.put, bundle))
            try:
                planned = await self._planned(product, bundle, folder, declared, progress)
                consent = await self._consent(planned, accept_breaking)
            finally:
                blob = await stored  # a bundle that is refused may stay there: nothing refers to it
            async with self._windows.switched(Coming(planned.spec, planned.hash, planned.pool), progress):
                deployed = await asyncio.to_thread(
                    mesh.registry.deploy, actor, planned.spec, planned.hash, blob, note, consent
                )
                is_new = deployed.previous != planned.hash or product not in mesh.products
                if is_new:
                    await mesh.activate(deployed.revision, planned.pool)
                else:
                    await planned.pool.drain()
        told = self._told(deployed, planned.changes, time.monotonic() - begun, is_new=is_new)
        return msgspec.structs.replace(told, warnings=planned.warnings)

    def _compared(self, product: str, bundle: bytes) -> tuple[Path, ProductSpec, Deployed | None]:
        folder, declared = self._read(product, bundle)
        return folder, declared, self._same(product, folder.name)

    async def _consent(self, planned: Planned, reason: str) -> Consent | None:
        """The consent to what breaks, None where nothing does. Raises `PlanError` where it is missing."""
        if not planned.refusals:
            return None
        if not reason.strip():
            await planned.pool.drain()
            raise plan_error(planned.refusals)
        return Consent(reason.strip(), tuple(c.text for c in planned.changes if c.kind == "breaking"))

    def _same(self, product: str, revision: str) -> Deployed | None:
        """The live revision, where it is that one and served: there is nothing to load, check or change."""
        served = self._mesh.products.get(product)
        if served is None or served.revision != revision:
            return None
        known = self._mesh.registry.product(product)
        is_live = known.state is ProductState.ACTIVE and known.live.hash == revision
        return Deployed(known.live, False, revision) if is_live else None

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

    async def rollback(self, actor: str, product: str, to: str | None = None) -> Deployment:
        """Serves an earlier revision again: code, contract and triggers."""
        begun = time.monotonic()
        async with self._locks.setdefault(product, asyncio.Lock()):
            mesh = self._mesh
            before = mesh.registry.product(product).live.spec
            target = await asyncio.to_thread(mesh.registry.before, product, to)
            pool = await mesh.pool_of(target)
            async with self._windows.switched(Coming(target.spec, target.hash, pool), lambda _: None):
                deployed = await asyncio.to_thread(mesh.registry.rollback, actor, product, to)
                await mesh.activate(deployed.revision, pool)
        is_new = deployed.previous != deployed.revision.hash
        made = changes(before, deployed.revision.spec)
        return self._told(deployed, made, time.monotonic() - begun, is_new=is_new)

    async def retire(self, actor: str, product: str) -> dict[str, str]:
        """Ends a product. Refused while another product reads one of its ports (`product.in_use`)."""
        async with self._locks.setdefault(product, asyncio.Lock()):
            known = self._mesh.registry.product(product)
            ports = {port.id for port in known.live.spec.outputs}
            read_by = readers(spec for spec in self._mesh.specs() if spec.id != product)
            if products := sorted({reader for port in ports & read_by.keys() for reader in read_by[port]}):
                raise CallerError(
                    "product.in_use",
                    f"{product} is read by {', '.join(products)}",
                    hint="They must stop reading its ports first.",
                    details={"readers": products, "status": 409},
                )
            await asyncio.to_thread(self._mesh.registry.retire, actor, product)
            await self._mesh.deactivate(product)
        return {"product": product, "state": ProductState.RETIRED.value}
