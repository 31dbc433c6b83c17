"""Builds one running Hansa out of its implementations, and takes it down again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from hansa.access.pepper import load_pepper, pepper_of
from hansa.access.tokens import LEASE_S, Authenticator, TokenIssuer
from hansa.blobs.folder import FolderBlobs
from hansa.blobs.s3 import S3Blobs
from hansa.bootstrap import views
from hansa.bootstrap.asks import Asks
from hansa.bootstrap.backup import backup_into
from hansa.bootstrap.doctor import examine
from hansa.bootstrap.duties import Adoption, Duties
from hansa.bootstrap.folder import make_folder
from hansa.bootstrap.log import open_log
from hansa.bootstrap.migration import refuse_moved
from hansa.bootstrap.nodes import Nodes, Turns
from hansa.bootstrap.place import Place, place_from
from hansa.bootstrap.registry import open_registry
from hansa.bootstrap.schedules import LogStarter, Timetable
from hansa.bootstrap.sources import open_source
from hansa.bootstrap.topics import publishing
from hansa.bootstrap.traces import open_traces
from hansa.contracts.odps import windows_in
from hansa.discovery.event_search import EventSearch
from hansa.discovery.lineage_graph import LineageGraph
from hansa.discovery.quarantine import QuarantineSearch
from hansa.discovery.readers import Meter
from hansa.discovery.readers import Readers as PortReaders
from hansa.discovery.runs import RunHistory
from hansa.egress.settings_file import FileSettings
from hansa.errors import HansaError, Unavailable
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Log
from hansa.lifecycle.deploy import Deployer, Locks
from hansa.lifecycle.following import Following
from hansa.lifecycle.forgetting import Forgetting
from hansa.lifecycle.history import History
from hansa.lifecycle.keeper import RETAIN_S, Keeper
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.operations import Operations
from hansa.lifecycle.planner import Planner
from hansa.lifecycle.quarantine import Quarantine
from hansa.lifecycle.retention import DAY_S, Keep, Readers, Retention
from hansa.lifecycle.retiring import Retiring
from hansa.lifecycle.serving import IDLE_S
from hansa.lifecycle.states import States
from hansa.lifecycle.trial import Trial
from hansa.lifecycle.views import Views
from hansa.model.product import ProductSpec
from hansa.model.run import KEEPING_TOPIC
from hansa.observe.calls import CallTally
from hansa.observe.node import NodeFacts
from hansa.outputs.lookups import Lookups
from hansa.protocols.schema_registry.registry import SchemaRegistry
from hansa.registry.interface import Registry
from hansa.registry.values import TriggerKey
from hansa.runtime import isolation
from hansa.runtime.engine import Engine
from hansa.runtime.environment import EnvironmentBuilder
from hansa.runtime.installer import TIMEOUT_S
from hansa.runtime.pool import REST_S
from hansa.runtime.workshop import Workshop
from hansa.server.api.operations import declared
from hansa.server.descriptions import Descriptions
from hansa.server.passing import Passing
from hansa.server.services import Services, Standing
from hansa.triggers.scheduler import Scheduler
from hansa.views.damage import were_set_aside
from hansa.views.remote import ProjectorsProcess

ADOPT_S: Final = 10.0
"""How often it is looked for runs that nobody is at."""
AGAIN_S: Final = 1.0
GRACE_S: Final = 10.0
SWITCH_S: Final = 0.0005
"""How long a thread keeps the interpreter while another waits for it: the committer must not wait 5 ms (the
default)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one Hansa is run. `isolation`: strict (the default) refuses to run author code without it, best does what the
    machine offers, none is for debugging only."""

    data: Path
    isolation: str = "strict"
    spares: int = 1
    idle_s: float = IDLE_S
    install_s: float = TIMEOUT_S
    rest_s: float = REST_S
    keep: Keep = field(default_factory=Keep)
    keep_every_s: float = RETAIN_S
    """How often retention looks at what is old enough."""
    blobs: str = ""
    """`s3://BUCKET/PREFIX`, or nothing for the folder `blobs`."""
    database: str = ""
    """`postgresql://…` for registry and views, or nothing for the files `registry.db` and `views.db`."""
    lease_s: float = LEASE_S
    """How long access is decided by what is known, where the registry does not answer."""
    place: Place = field(default_factory=Place)
    drain_s: float = 0.0
    """How long a node that ends goes on to serve, after it has said that it is not ready."""

    @staticmethod
    def from_environment(data: Path, host: str, port: int) -> Settings:
        """`HANSA_ISOLATION`, `HANSA_SPARES`, `HANSA_IDLE_S`, `HANSA_INSTALL_S`, `HANSA_REST_S`, `HANSA_BLOBS`,
        `HANSA_DATABASE`, `HANSA_LEASE_S`, `HANSA_DRAIN_S`, those of retention and those of its place among others,
        where they are set; for a server that listens at `host` and `port`."""
        return Settings(
            data,
            isolation.mode(os.environ.get("HANSA_ISOLATION", "strict")),
            int(os.environ.get("HANSA_SPARES", "1")),
            float(os.environ.get("HANSA_IDLE_S", str(IDLE_S))),
            float(os.environ.get("HANSA_INSTALL_S", str(TIMEOUT_S))),
            float(os.environ.get("HANSA_REST_S", str(REST_S))),
            Keep(
                _days(os.environ.get("HANSA_KEEP_RUNS_DAYS", "90")),
                _days(os.environ.get("HANSA_KEEP_EVENTS_DAYS", "365")),
                _days(os.environ.get("HANSA_KEEP_RECORDS_DAYS", "")),
            ),
            float(os.environ.get("HANSA_KEEP_EVERY_S", str(RETAIN_S))),
            os.environ.get("HANSA_BLOBS", ""),
            os.environ.get("HANSA_DATABASE", ""),
            float(os.environ.get("HANSA_LEASE_S", str(LEASE_S))),
            place_from(os.environ, host, port),
            float(os.environ.get("HANSA_DRAIN_S", "0")),
        )


class Hansa:
    """A Hansa on one machine: `await open`, use `services`, `await close`."""

    def __init__(self, settings: Settings, version: str, clock_us: Callable[[], int]) -> None:
        data = settings.data
        make_folder(data)
        self.settings = settings
        self._nodes: Nodes | None = None
        self._registry: Registry
        self._log: Log
        with contextlib.ExitStack() as opened:
            if settings.place.is_shared:
                self._pepper = pepper_of(os.environ.get("HANSA_PEPPER", ""))
                self._registry = open_registry(data, settings.database, clock_us)
                opened.callback(self._registry.close)
                self._nodes = Nodes(self._registry, data, settings.place, self._pepper, version)
                self._log = self._nodes.log
            else:
                self._log = open_log(data)
                opened.callback(self._log.stop)
                self._registry = open_registry(data, settings.database, clock_us)
                self._pepper = load_pepper(data / "pepper")
            opened.pop_all()
        self._clock_us = clock_us
        self._leading_us = self._nodes.clock if self._nodes else clock_us
        """The time of what one node does for all."""
        self._version = version
        self.services: Services

    async def open(self) -> Services:
        """Starts everything; what stood unfinished goes on."""
        sys.setswitchinterval(SWITCH_S)
        if self._nodes is not None:
            await self._nodes.join()
        await self._refuse_moved()
        log = AwaitableLog(self._log, asyncio.get_running_loop())
        self._open_views()
        starting = asyncio.create_task(self._keeping.start())
        mesh = self._mesh = self._with_runtime(log)
        self.services = self._serving(log, mesh)
        if self._nodes is not None:
            await self._nodes.sit(log)
        await asyncio.gather(starting, mesh.start())
        mesh.spawn(self._meter.run())
        await self._keep_time()
        self._duties = self._with_duties(log, mesh)
        return self.services

    def _open_views(self) -> None:
        settings, data = self.settings, self.settings.data
        self._keeping = ProjectorsProcess(partial(views.spawn, data), (views.VIEWS, views.LOOKUPS), self._log.covers)
        self._views = self._keeping.projector(views.VIEWS)
        self._followed = self._keeping.projector(views.LOOKUPS)
        renew = partial(asyncio.get_running_loop().call_soon_threadsafe, self._keeping.renew)
        self._reader = views.open_reader_of_views(data, settings.database, renew)

    def _with_runtime(self, log: AwaitableLog) -> Mesh:
        """What runs the code of products, and all that it asks for."""
        settings, data = self.settings, self.settings.data
        self._traces = open_traces(os.environ, self._version, settings.place.node)
        connections = FileSettings(data, os.environ)
        asks = self._asks = Asks(self._log, connections, self._traces)
        engine = Engine(log, asks, self._nodes.seat if self._nodes else "", self._traces)
        workshop = Workshop(data / "scratch", isolation=settings.isolation, spares=settings.spares)
        blobs = S3Blobs(settings.blobs, data / "copies") if settings.blobs else FolderBlobs(data / "blobs")
        folder = views.lookups_folder(data)
        self._lookups = Lookups(folder, self._followed, partial(self._follow, log), self._log.now)
        environments = EnvironmentBuilder(data / "environments", timeout_s=settings.install_s)
        mesh = Mesh(
            data, log, self._registry, blobs, workshop, environments, engine, self._lookups,
            idle_s=settings.idle_s,
            rest_s=settings.rest_s,
        )  # fmt: skip
        asks.mesh, asks.engine = mesh, engine
        mesh.open_source = partial(open_source, connections)
        if self._nodes is not None:
            mesh.shares, self._nodes.reassigned = self._nodes.membership.shares, mesh.reassign
        return mesh

    def _serving(self, log: AwaitableLog, mesh: Mesh) -> Services:
        """What the routes use."""
        settings, registry, reader, data = self.settings, self._registry, self._reader, self.settings.data
        engine, lookups = mesh.engine, self._lookups
        runs = RunHistory(reader, self._log)
        operations = Operations(mesh, engine, registry, runs, self._views)
        self._asks.earlier = operations.answer
        aside = QuarantineSearch(reader, self._log)
        standings = Views(log, registry, views.kinds(), reader, lambda: lookups.made(self._log.topics()))
        readers = Readers(standings.cursors, mesh.groups, standings.lookups)
        retention = self._retention = Retention(log, settings.keep, readers, runs)
        schemas = self._schemas = SchemaRegistry(registry, lambda revision: windows_in(mesh.serving.folder(revision)))
        mesh.on_change.append(schemas.forget)
        self._starter = LogStarter(log, mesh, engine)
        self._scheduler = Scheduler(self._starter, clock_us=self._leading_us, sleep=asyncio.sleep, leads=False)
        meter = self._meter = Meter(log, self._clock_us)
        trial = Trial(self._log, operations, runs, self._asks)
        lineage, readers_of_ports = LineageGraph(reader), PortReaders(meter, reader)
        retiring = Retiring(mesh, readers_of_ports.readers, self._clock_us)
        planner, locks = Planner(mesh, lineage, readers_of_ports, trial, retiring), Locks()
        self._locks = locks
        authenticator = Authenticator(registry, self._pepper, clock_us=self._clock_us, lease_s=settings.lease_s)
        log.watch("", self._views.wake)
        log.watch(KEEPING_TOPIC, self._followed.wake)
        return Services(
            version=self._version,
            registry=registry,
            log=log,
            mesh=mesh,
            deployer=Deployer(mesh, planner, locks),
            planner=planner,
            states=States(mesh, locks),
            engine=engine,
            authenticator=authenticator,
            issuer=TokenIssuer(registry, self._pepper, clock_us=self._clock_us),
            views=self._views,
            followed=self._followed,
            runs=runs,
            events=EventSearch(reader),
            lineage=lineage,
            meter=meter,
            readers=readers_of_ports,
            retiring=retiring,
            lookups=lookups.follow,
            scheduler=self._scheduler,
            operations=operations,
            aside=aside,
            quarantine=Quarantine(mesh, engine, registry, aside, self._views),
            standings=standings,
            forgetting=Forgetting(
                log,
                registry,
                self._specs,
                operations.end,
                standings.lookups,
                partial(were_set_aside, data),
                self._views,
                self._followed,
            ),
            schemas=schemas,
            backup=lambda target: asyncio.to_thread(backup_into, target, data, self._log, registry, settings.blobs),
            doctor=lambda: asyncio.to_thread(examine, self._log, registry, standings, retention, data),
            descriptions=Descriptions(self._version, declared),
            history=History(registry, mesh.serving.folder),
            nodes=self._standing,
            others=self._nodes.urls if self._nodes else tuple,
            passing=None if self._nodes is None or settings.place.has("worker") else Passing(self._nodes.workers),
            calls=CallTally(),
            node=NodeFacts(settings.place.node) if self._nodes is None else self._nodes.facts(),
        )

    async def _keep_time(self) -> None:
        """Has the scheduler know every timed trigger, from now on."""
        timetable = Timetable(self._mesh)
        await asyncio.to_thread(timetable.learn, timetable.unknown())
        await self._starter.adopt(timetable)
        self._mesh.on_change.append(partial(self._reschedule, timetable))
        self._pause(await asyncio.to_thread(self._registry.paused_triggers))
        self._scheduler.replace(timetable.entries())

    def _with_duties(self, log: AwaitableLog, mesh: Mesh) -> Duties:
        """What this Hansa does beside answering; among nodes, some of it only while it owns the log."""
        place, nodes = self.settings.place, self._nodes
        keeper = Keeper(
            log, self._registry, self._retention, clock_us=self._leading_us, retain_s=self.settings.keep_every_s
        )
        mesh.spawn(Adoption(mesh.take_up, ADOPT_S, "that nobody was at").run())
        if nodes is None:
            duties = Duties(self._scheduler, keeper.run)
            duties.lead(leads=True)
            return duties
        adoption = Adoption(partial(mesh.take_up, nodes.is_left), place.session_s, "of nodes that are lost")
        topics = publishing(place, log, mesh, self._schemas)
        tidying = partial(nodes.tidy, log)
        duties = Duties(self._scheduler, keeper.run, adoption.run, tidying, *([topics.run] if topics else []))
        nodes.led_by(duties)
        following = Following(mesh, self._locks, place.node, nodes.membership.others, self._pause)
        mesh.spread = following.spread
        self._locks.among_nodes = Turns(self._registry, place.node, place.session_s, following.serve).turn
        mesh.spawn(following.run())
        return duties

    async def _refuse_moved(self) -> None:
        try:
            await asyncio.to_thread(refuse_moved, self._log)
        except HansaError:
            if self._nodes is not None:
                await self._nodes.leave()
            await asyncio.to_thread(self._log.stop)
            self._registry.close()
            raise

    async def _standing(self) -> list[Standing]:
        place = self.settings.place
        if self._nodes is None:
            return [Standing(place.node, place.url, place.roles, self._version, is_owner=True)]
        return await self._nodes.standing()

    def _reschedule(self, timetable: Timetable) -> None:
        """What a deployment makes live is live whether the registry answers from then on or not."""
        if timetable.unknown():
            self._mesh.spawn(self._learn(timetable))
        else:
            self._scheduler.replace(timetable.entries())

    async def _learn(self, timetable: Timetable) -> None:
        while unknown := timetable.unknown():
            try:
                await asyncio.to_thread(timetable.learn, unknown)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
        self._scheduler.replace(timetable.entries())

    def _pause(self, keys: frozenset[TriggerKey]) -> None:
        """Exactly these triggers are paused."""
        names, before = set(map(str, keys)), self._scheduler.paused
        for name in names - before:
            self._scheduler.pause(name)
        for name in before - names:
            self._scheduler.resume(name)

    def _follow(self, log: AwaitableLog, port: str) -> None:
        """Has the lookup of a port kept."""
        self._keeping.follow(views.LOOKUPS, port)
        log.watch(port, self._followed.wake)

    def _specs(self) -> list[ProductSpec]:
        """Every revision of every product that is known, retired ones too; of a product, the newest first."""
        products = self._registry.search(limit=100_000).products
        return [revision.spec for product in products for revision in self._registry.revisions(product.id)]

    async def close(self) -> None:
        """Lets runs end, then closes every store. Nothing acknowledged is lost by not calling this."""
        await self._duties.close()
        if self._nodes is not None:
            await self._nodes.leave()
        await self._mesh.stop(GRACE_S)
        with contextlib.suppress(HansaError):  # the log may have stopped before
            await self._meter.store()
        await self._keeping.stop()
        self._reader.close()
        await asyncio.to_thread(self._log.stop)
        await asyncio.to_thread(self._asks.close)
        await asyncio.to_thread(self._traces.close)
        with contextlib.suppress(Unavailable):  # when tokens were used is not worth waiting for
            await asyncio.to_thread(self.services.authenticator.flush)
        self._registry.close()


def _days(text: str) -> float | None:
    """Seconds; None, for good, where nothing is given."""
    return float(text) * DAY_S if text else None


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
