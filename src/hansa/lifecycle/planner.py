"""Makes plans: loads a candidate in a worker, compares it with what is live, and asks who is behind it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from hansa.blobs.bundle import hash_of, unpack
from hansa.contracts.odps import ProductReader
from hansa.contracts.seal import check_seal
from hansa.discovery.lineage_graph import Edge, LineageGraph
from hansa.discovery.readers import Readers
from hansa.errors import AuthorError, CallerError, PlanError
from hansa.lifecycle.breaking import earlier_contracts, reads_of, warnings_of
from hansa.lifecycle.changes import Change, changes
from hansa.lifecycle.consumers import Consumer, Reading, consumers
from hansa.lifecycle.expectations import Tried, expected_of, judged
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.misfits import described, misfits
from hansa.lifecycle.patience import saying
from hansa.lifecycle.plan import Expected, Plan, planned
from hansa.lifecycle.retiring import Retiring
from hansa.lifecycle.serving import REVISION_CHARS
from hansa.lifecycle.standing import Standing
from hansa.lifecycle.terms import terms_changed
from hansa.lifecycle.trial import Trial
from hansa.lifecycle.windows import Coming, Windows
from hansa.model.ids import did_you_mean
from hansa.model.product import (
    ContractSpec,
    ProductSpec,
    ProductState,
)
from hansa.model.window import Phase
from hansa.outputs.topic import notes_on
from hansa.registry.values import GivenConsent
from hansa.runtime.job import Worker
from hansa.runtime.live import LiveProduct
from hansa.runtime.pool import Pool
from hansa.sdk.finding import plan_error
from hansa.sdk.translators import directions
from hansa.triggers.routes import check_taken

Progress = Callable[[str], None]
_HASH: Final = re.compile(f"[0-9a-f]{{{REVISION_CHARS}}}")
DEPTH_MAX: Final = 64
NODES_MAX: Final = 100_000
"""How far downstream a plan looks along lineage."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision that was loaded and checked, with its plan. `pool` has the worker that loaded it."""

    spec: ProductSpec
    hash: str
    pool: Pool
    plan: Plan


@contextlib.asynccontextmanager
async def _kept(pool: Pool) -> AsyncIterator[None]:
    """The pool's workers leave where what is done within fails."""
    try:
        yield
    except BaseException:
        await pool.drain()
        raise


def _contracts(spec: ProductSpec) -> dict[str, ContractSpec]:
    return {port.id: port.contract for port in spec.outputs}


class Planner:
    """Plans of one mesh. Belongs to its event loop."""

    def __init__(self, mesh: Mesh, lineage: LineageGraph, readers: Readers, trial: Trial, retiring: Retiring) -> None:
        self._mesh = mesh
        self._retiring = retiring
        self._windows = Windows(mesh)
        self._trial = trial
        self._lineage = lineage
        self._readers = readers
        self._reader = ProductReader()
        self._reading = threading.Lock()

    async def plan(self, product: str, bundle: bytes) -> Plan:
        """The plan of a bundle; nothing is changed. Raises `PlanError` with all findings where it cannot be loaded."""
        folder, declared = await asyncio.to_thread(self.read, product, bundle)
        candidate = await self.candidate(product, folder, declared, lambda _: None)
        await candidate.pool.drain()
        return candidate.plan

    def consent(
        self, product: str, port: str, candidate: str, domain: str | None, account: str | None, reason: str
    ) -> GivenConsent:
        """A consent that could count: to a change of a live port, to a candidate that was planned. Raises `CallerError`
        (`port.unknown`, `candidate.unknown`, `consent.reason`)."""
        live = self._mesh.product(product)
        if live.spec.output(port) is None:
            known = [output.id for output in live.spec.outputs]
            raise CallerError("port.unknown", f"{product} has no port {port!r}", hint=did_you_mean(port, known))
        if not _HASH.fullmatch(candidate) or not (self._mesh.data / "revisions" / candidate).is_dir():
            raise CallerError(
                "candidate.unknown",
                f"No candidate {candidate!r} was planned",
                hint="`hansa plan` tells its revision.",
            )
        if not reason.strip():
            raise CallerError("consent.reason", "A consent says why", hint="Give a reason.", details={"status": 409})
        kind: Literal["domain", "account"] = "domain" if domain is not None else "account"
        return GivenConsent(port, live.revision, candidate, kind, domain or account or "", reason.strip())

    def read(self, product: str, bundle: bytes) -> tuple[Path, ProductSpec]:
        """The folder of a bundle's files, named by the short hash of their content (the revision), and what they
        declare. Raises where that is another product, or of a domain that there is not."""
        folder = self._mesh.data / "revisions" / hash_of(bundle)[:REVISION_CHARS]
        with self._reading:
            if not folder.exists():
                unpack(bundle, folder)
            declared = self._reader.read(folder).spec
        if declared.id != product:
            raise AuthorError(
                "product.other_id",
                f"The folder is of {declared.id}, not of {product}",
                hint="Deploy it under the id that stands in its product.yaml.",
            )
        self._mesh.registry.domain(declared.domain)
        check_seal(folder, declared)
        return folder, declared

    async def candidate(self, product: str, folder: Path, declared: ProductSpec, progress: Progress) -> Candidate:
        """The revision in `folder`, loaded in a worker and planned. Raises `PlanError` with all findings; then its
        worker is gone."""
        pool, found = await self._loaded(product, folder, declared, progress)
        async with _kept(pool):
            spec = described(declared, found)
            standings = await self._checked(spec)
            await self._windows.tried(Coming(spec, folder.name, pool), folder)
            return Candidate(spec, folder.name, pool, await self._plan(spec, folder.name, pool, standings))

    async def rollback(self, product: str, to: str | None = None) -> Plan:
        """The plan of a rollback; nothing is changed. Raises as `earlier` does."""
        candidate = await self.earlier(product, to)
        await candidate.pool.drain()
        return candidate.plan

    async def earlier(self, product: str, to: str | None = None) -> Candidate:
        """The revision that a rollback goes to, planned as any candidate is; it was loaded and its translators were
        tried when it was deployed. Raises `PlanError` where the mesh has no place for it any more, and what
        `Registry.before` raises."""
        target = await asyncio.to_thread(self._mesh.registry.before, product, to)
        pool = await self._mesh.serving.pool_of(target)
        async with _kept(pool):
            standings = await self._checked(target.spec)
            plan = await self._plan(target.spec, target.hash, pool, standings, goes_back=True)
            return Candidate(target.spec, target.hash, pool, plan)

    async def _checked(self, spec: ProductSpec) -> list[Standing]:
        """How the windows stand that concern a product. Raises `PlanError` where it has no place in the mesh."""
        standings = await asyncio.to_thread(self._standings, spec)
        self._check(spec, self._ended(standings))
        return standings

    async def _loaded(
        self, product: str, folder: Path, declared: ProductSpec, progress: Progress
    ) -> tuple[Pool, bytes]:
        """A pool with one worker that has the revision, and how that describes it."""
        mesh = self._mesh
        serve = await mesh.serving.to_serve(product, folder.name, folder, declared, progress)
        holder: list[Worker] = []
        pool = mesh.serving.pool(serve)
        async with saying(progress, f"{product}: product.py is still being imported"):
            link, loaded = await mesh.workshop.worker(
                serve, lambda message: pool.heard(holder[0], message) if holder else None, lambda: pool.lost(holder)
            )
        holder.append(pool.adopt(link))
        return pool, loaded.spec

    def _standings(self, spec: ProductSpec) -> list[Standing]:
        """How the windows stand of whose older versions the product reads one, or has one live."""
        live = self._mesh.products.get(spec.id)
        own = {older.id for older, _ in live.spec.windows()} if live else set()
        found = (self._retiring.standing(port) for port in sorted(reads_of(spec) | own))
        return [standing for standing in found if standing is not None]

    def _ended(self, standings: Iterable[Standing]) -> dict[str, str]:
        """The versions of ports that have ended, by a retirement or by their dates, with their successors."""
        passed = {one.versions.older: one.versions.newer for one in standings if one.phase is Phase.ENDED}
        return passed | {port: one.successor for port, one in self._mesh.ended.items()}

    async def _plan(
        self, spec: ProductSpec, revision: str, pool: Pool, standings: Sequence[Standing], *, goes_back: bool = False
    ) -> Plan:
        mesh, live, specs = self._mesh, self._mesh.products.get(spec.id), self._mesh.specs()
        old = live.spec if live else None

        def compared() -> tuple[list[Change], list[str], list[Consumer]]:
            made = self._made(old, spec, revision, self._ended(standings))
            ports = touched(old, spec, made)
            return made, ports, consumers(spec.id, ports, self._around(spec.id, ports, specs), made) if ports else []

        made, ports, behind = await asyncio.to_thread(compared)
        expected, notes = await self._expected(spec, revision, pool, ports, [s for s in specs if s.id != spec.id])
        state, since = (live.state, live.revision) if live else (first_state(spec), None)
        told = [*drift(spec, live), *warnings_of(spec, standings), *notes_on(spec), *notes]

        def plan() -> Plan:
            given = mesh.registry.consents(spec.id, revision)
            return planned(spec, revision, since, state, made, behind, expected, given, told, goes_back=goes_back)

        return await asyncio.to_thread(plan)

    def _made(self, old: ProductSpec | None, spec: ProductSpec, revision: str, ended: Collection[str]) -> list[Change]:
        """What changes, in the revision itself and in the terms of its contracts; what has `ended` breaks nobody."""
        if old is None:
            return changes(None, spec)
        earlier = {} if _contracts(old) == _contracts(spec) else self._earlier(spec.id)
        made = [_harmless(change) if change.id in ended else change for change in changes(old, spec, earlier)]
        return made + self._terms(spec.id, revision)

    async def _expected(
        self, spec: ProductSpec, revision: str, pool: Pool, ports: Sequence[str], others: Sequence[ProductSpec]
    ) -> tuple[list[Expected], list[str]]:
        """What the expectations of others come to on the candidate, and what of it could not be tried."""
        found: list[Expected] = []
        notes: list[str] = []
        for port in ports:
            if expecting := list(expected_of(port, others)):
                output = spec.output(port)
                tried = await self._trial.of(port, spec, revision, pool) if output else Tried("contract", ())
                found += judged(output, port, expecting, tried)
                notes += [f"{port}: {tried.note}; expectations are tried on the {tried.how}"] if tried.note else []
        return found, notes

    def _terms(self, product: str, candidate: str) -> list[Change]:
        """What changes in the terms of the contracts; nothing where files are older than what reads them."""
        before = self._mesh.serving.folder(self._mesh.registry.product(product).live)
        try:
            with self._reading:
                old, new = (self._reader.read(folder) for folder in (before, before.parent / candidate))
        except PlanError:
            return []
        if old is new:
            return []
        both = ({port: file.document.data for port, file in files.contracts.items()} for files in (old, new))
        return terms_changed(*both)

    def _earlier(self, product: str) -> dict[str, dict[str, ContractSpec]]:
        """The contracts of the product's ports so far; records by them are in the log."""
        return earlier_contracts(self._mesh.registry.revisions(product))

    def _around(self, product: str, ports: Sequence[str], specs: Sequence[ProductSpec]) -> Reading:
        """What is known of those behind these ports."""
        found: set[Edge] = set()
        for port in ports:
            try:
                graph = self._lineage.graph(port, "down", DEPTH_MAX, declared=specs, nodes_max=NODES_MAX)
                found |= {*graph.edges}
            except CallerError:  # nobody has ever read it, and nobody says that it will
                continue
        readers = {port: self._readers.readers(port) for port in ports}
        others = [other for other in specs if other.id != product]
        return Reading(others, readers, sorted(found), time.time_ns() // 1000)

    def _check(self, spec: ProductSpec, ended: Mapping[str, str]) -> None:
        """What only the mesh as a whole can tell."""
        others = {other.id: other for other in self._mesh.products.values() if other.id != spec.id}
        check_taken(spec, [other.spec for other in others.values()])
        live = self._mesh.products.get(spec.id)
        if findings := misfits(spec, reads_of(live.spec) if live else set(), others, ended):
            raise plan_error(findings)


def _harmless(change: Change) -> Change:
    """A change of a port that has ended: its removal breaks nobody."""
    return msgspec.structs.replace(change, kind="removed") if change.kind == "breaking" else change


def touched(old: ProductSpec | None, new: ProductSpec, made: Sequence[Change]) -> list[str]:
    """The ports whose readers a plan names: those that change, and those that changed code publishes to or
    translates into."""
    if old is None:
        return []
    ports = {change.id for change in made if change.what == "port" and change.kind != "added"}
    code = {change.id for change in made if change.what == "logic"}
    ways = {change.id for change in made if change.what == "process"}
    for process in new.processes:
        if process.name in ways or code & {step.logic for step in process.steps}:
            ports |= set(process.publishes)
    translated = {change.id for change in made if change.what == "translator"}
    ports |= {direction.target for direction in directions(new.outputs) if direction.translator in translated}
    return sorted(ports & {port.id for port in old.outputs})


def first_state(spec: ProductSpec) -> ProductState:
    """What a product begins as: a draft where its file says so."""
    return ProductState.DRAFT if spec.status == ProductState.DRAFT else ProductState.ACTIVE


def drift(spec: ProductSpec, live: LiveProduct | None) -> Iterator[str]:
    """Where the file says another state than the registry, which decides."""
    if live is not None and spec.status and spec.status != live.state:
        yield (
            f"product.yaml says that {spec.id} is {spec.status}, and it is {live.state.value}: "
            f"`hansa status {spec.id} {spec.status}` changes that, a deploy does not"
        )
