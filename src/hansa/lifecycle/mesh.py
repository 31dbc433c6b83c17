"""The live mesh: which revision of each product is served, by which workers, started by which triggers.

Everything here belongs to the server's event loop. What must be decided consistently is the registry's; what is here
can be built anew from it at any start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.blobs.interface import Blobs
from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import TopicConfig
from hansa.lifecycle.ended import Retirement, ended, retirements
from hansa.lifecycle.serving import IDLE_S, Serving
from hansa.model.ids import ProductId, did_you_mean
from hansa.model.product import (
    EventTrigger,
    Following,
    KafkaTrigger,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProductSpec,
    ProductState,
)
from hansa.model.quarantine import quarantine_topic
from hansa.model.run import AUDIT_TOPIC, EVENTS_TOPIC, KEEPING_TOPIC, RUNS_TOPIC
from hansa.model.trigger_key import trigger_names
from hansa.outputs.lookups import Lookups
from hansa.registry.interface import Registry
from hansa.registry.values import Product, TriggerKey
from hansa.runtime.engine import Engine
from hansa.runtime.environment import EnvironmentBuilder
from hansa.runtime.live import LiveProcess, LiveProduct
from hansa.runtime.pool import REST_S, Pool
from hansa.runtime.workshop import Workshop
from hansa.triggers.batches import Accepts
from hansa.triggers.landing import Landing, Source, no_source
from hansa.triggers.routes import Routes
from hansa.triggers.subscriptions import Subscription, filter_of, group_of, topic_of
from hansa.triggers.versions import Beside

_report = logging.getLogger("hansa.lifecycle")
LEAVE_S: Final = 0.1
"""So long after a revision was replaced do its workers begin to leave: the first calls of the next one come before."""


async def _left(pool: Pool) -> None:
    """The workers of a revision that was replaced finish what they have, and leave."""
    await asyncio.sleep(LEAVE_S)
    await pool.drain()


async def _at_once() -> None:
    """There are no other nodes."""


class Mesh:
    """Live products by id. `engine`, `routes` and `products` are what the server's routes use."""

    def __init__(
        self,
        data: Path,
        log: AwaitableLog,
        registry: Registry,
        blobs: Blobs,
        workshop: Workshop,
        environments: EnvironmentBuilder,
        engine: Engine,
        lookups: Lookups,
        *,
        idle_s: float = IDLE_S,
        rest_s: float = REST_S,
    ) -> None:
        self.data = data
        self.log = log
        self.registry = registry
        self.blobs = blobs
        self.workshop = workshop
        self.engine = engine
        self.environments = environments
        self.products: dict[str, LiveProduct] = {}
        self._specs: dict[str, ProductSpec] = {}
        """Of live revisions, also of those that are not served, or not yet."""
        self.routes = Routes(())
        self.failures: dict[str, HansaError] = {}
        self.retired: dict[str, str | None] = {}
        """Products that are retired, with their successors."""
        self.ended = retirements(log.log)
        """Versions of ports that have ended, by their ids."""
        self._lookups = lookups
        self.serving = Serving(data, blobs, workshop, environments, lookups, self._specs, idle_s=idle_s, rest_s=rest_s)
        self._subscriptions: dict[str, list[Subscription | Landing]] = {}
        self._executor = ThreadPoolExecutor(2, "hansa-read")
        self._tasks: set[asyncio.Task[Any]] = set()
        self.on_change: list[Callable[[], None]] = []
        self.shares: Callable[[str, int], bool] = lambda *_: True
        """Whether a partition of a group is to be followed here; `reassign` when that changes."""
        self.spread: Callable[[], Awaitable[None]] = _at_once
        """Waits until other nodes serve what this one has changed, where there are any."""
        self.open_source: Callable[[str, KafkaTrigger], Source] = no_source
        """Opens the topic that a trigger of a product follows in another system."""

    # Starting and stopping

    async def start(self) -> None:
        """Serves the live revision of every product, without starting a worker, and takes up unfinished runs."""
        for topic in (RUNS_TOPIC, EVENTS_TOPIC, AUDIT_TOPIC, KEEPING_TOPIC):
            self.log.log.declare(topic, TopicConfig())
        await asyncio.to_thread(self.environments.sweep)
        known = self.registry.search(limit=100_000).products
        live = [product for product in known if product.state is not ProductState.RETIRED]
        self.retired = {product.id: product.successor for product in known if product.state is ProductState.RETIRED}
        for product in live:
            self.declare(product.live.spec)
            self._specs[product.id] = product.live.spec
        for product in live:
            try:
                await self._place(product)
                await self.resubscribe(product.id)
            except HansaError as failure:
                self.failures[product.id] = failure
                _report.error("%s is not served: %s", product.id, failure, extra={"product": product.id})
        await self._changed()
        self.take_up()

    def take_up(self, is_left: Callable[[str], bool] | None = None) -> int:
        """Has the runs that nobody is at go on: of this node, or those whose seats are left. Returns how many."""
        return self.engine.recover(self.find, lambda group, topic: group in self.groups(topic), is_left)

    async def stop(self, grace_s: float) -> None:
        """Ends the triggers, lets runs finish for at most `grace_s`, and ends the workers."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                await subscription.close()
        self.environments.close()
        await self.engine.close(grace_s)
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await self.workshop.close()
        self._executor.shutdown(wait=False)

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Runs something beside; what it raises is reported."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _report.error("background work failed", exc_info=task.exception())

    # Finding

    def find(self, product: str, process: str) -> LiveProcess | None:
        """The live process, or None."""
        live = self.products.get(product)
        return None if live is None else live.processes.get(process)

    def process(self, member: str) -> LiveProcess:
        """The live process of the id `domain.product:name`. Raises `CallerError` (`product.unknown`,
        `process.unknown`)."""
        product, _, name = member.partition(":")
        live = self.product(product)
        found = live.processes.get(name)
        if found is None:
            raise CallerError(
                "process.unknown",
                f"{product} has no process {name!r}",
                hint=did_you_mean(name, live.processes) or f"It has {', '.join(live.processes) or 'none'}.",
            )
        return found

    def product(self, product: str) -> LiveProduct:
        """The live product. Raises `CallerError` (`product.unknown`, `product.retired`), or why it cannot be served."""
        live = self.products.get(product)
        if live is not None:
            return live
        if product in self.failures:
            raise self.failures[product]
        self.check_retired(product)
        known = self.registry.product(product)
        raise CallerError(
            f"product.{known.state.value}", f"{product} is {known.state.value}", hint="It answers no more."
        )

    def state(self, product: str) -> ProductState:
        """The state of a product; what nobody knows is no more than a draft. Asks the registry for those alone that
        cannot be served."""
        live = self.products.get(product)
        if live is not None:
            return live.state
        if product in self.failures:
            return self.registry.product(product).state
        return ProductState.RETIRED if product in self.retired else ProductState.DRAFT

    def check_retired(self, product: str) -> None:
        """Raises `CallerError("product.retired")`, which names the successor, where the product is."""
        if product in self.retired:
            successor = self.retired[product]
            hint = f"Its successor is {successor}." if successor else "It answers no more, and names no successor."
            raise CallerError("product.retired", f"{product} is retired", hint=hint, details={"successor": successor})

    def port(self, port: str) -> OutputPortSpec:
        """The live output port of that id. Raises `CallerError` (`port.unknown`, `port.ended`, `product.retired`)."""
        self.check_retired(port.partition("/")[0])
        live = self.products.get(port.partition("/")[0])
        found = None if live is None else live.spec.output(port)
        if found is None and port in self.ended:
            raise ended(port, self.ended[port].successor)
        if found is None:
            known = [p.id for product in self.products.values() for p in product.spec.outputs]
            raise CallerError(
                "port.unknown",
                f"There is no port {port!r}",
                hint=did_you_mean(port, known) or "`hansa products` lists what there is.",
            )
        return found

    def _beside(self, process: LiveProcess, trigger: Following) -> list[Beside]:
        """The versions beside the port of a trigger that the process does not follow."""
        if not isinstance(trigger, PortTrigger):
            return []
        owner = self._specs.get(trigger.port.partition("/")[0])
        follows = {other.port for other in process.spec.triggers if isinstance(other, PortTrigger)}
        return [
            Beside(port, group_of(process, msgspec.structs.replace(trigger, port=port)), newer.id)
            for older, newer in (owner.windows() if owner else ())
            for port in (older.id, newer.id)
            if trigger.port in (older.id, newer.id) and port not in follows
        ]

    def specs(self) -> list[ProductSpec]:
        """The specs of all live products."""
        return [live.spec for live in self.products.values()]

    def followers(self, port: str) -> list[tuple[str, str]]:
        """(process, group) of every subscription to a port."""
        return [
            (live.id, group_of(live, trigger))
            for product in self.products.values()
            for live in product.processes.values()
            for trigger in live.spec.triggers
            if isinstance(trigger, PortTrigger) and trigger.port == port
        ]

    def groups(self, topic: str) -> list[str]:
        """The group of every subscription to a topic."""
        return [
            group_of(live, trigger)
            for product in list(self.products.values())
            for live in product.processes.values()
            for trigger in live.spec.triggers
            if isinstance(trigger, Following) and topic_of(live, trigger) == topic
        ]

    # What is live

    def declare(self, spec: ProductSpec) -> None:
        """The topics of a product's ports."""
        for port in spec.outputs:
            self.log.log.declare(port.id, TopicConfig(port.partitions, port.retention_s))
            if port.kind is PortKind.LOOKUP:
                self._lookups.follow(port.id)
        for port in spec.quarantining():
            self.log.log.declare(quarantine_topic(port.id), TopicConfig(1, port.retention_s))

    async def activate(self, product: Product, pool: Pool | None = None) -> None:
        """Makes a product's live revision the one that is served: from one call to the next, old or new, never a
        mix."""
        old = self.products.get(product.id)
        await self._place(product, pool)
        await self._changed(product.id)
        if old is not None:
            self.spawn(_left(old.pool))

    async def _place(self, product: Product, pool: Pool | None = None) -> None:
        """Puts a product's live revision among those that are served; nothing leads to it yet."""
        revision, spec = product.live, product.live.spec
        self.declare(spec)
        if pool is None:
            pool = await self.serving.pool_of(revision)
        if spec.has_resources:
            pool.keep_workers()
        self._specs[spec.id] = spec
        live = LiveProduct(spec, revision.hash, pool, product.state, product.successor, product.state_us)
        live.fence = await self.fence(spec.id)
        self.products[spec.id] = live
        self.failures.pop(spec.id, None)
        self.retired.pop(spec.id, None)

    async def fence(self, product: str) -> tuple[str, int]:
        """What the runs of a product's live revision commit with."""
        resource, log = f"windows:{product}", self.log.log
        return resource, await asyncio.to_thread(log.epoch, resource) if self.log.hears else log.epoch(resource)

    async def restate(self, product: Product) -> None:
        """Has a product served in another state from now on, or no more."""
        live = self.products.get(product.id)
        if product.state is ProductState.RETIRED:
            await self._deactivate(product)
        elif live is not None:
            live.state, live.successor, live.state_us = product.state, product.successor, product.state_us
            await self._changed(product.id)

    async def _deactivate(self, product: Product) -> None:
        old = self.products.pop(product.id, None)
        self._specs.pop(product.id, None)
        self.retired[product.id] = product.successor
        await self._changed(product.id)
        if old is not None:
            self.spawn(old.pool.drain())

    async def _changed(self, *products: str) -> None:
        self.routes = Routes((live.spec, live.processes) for live in self.products.values())
        for product in products:
            await self.resubscribe(product)
        for told in self.on_change:
            told()

    def _seen(self, process: LiveProcess) -> Callable[[], Awaitable[None]]:
        """Waits until the lookups that a process reads show all that is committed, or raises `view.behind`."""
        spec = process.product.spec
        ports = [port for port in process.spec.reads if self.serving.looks_into(spec, port)]

        async def seen() -> None:
            for port in ports:
                await self._lookups.reach(port)

        return seen

    def wanted(self, product: str, process: str, detail: Mapping[str, Any]) -> Accepts | None:
        """What the subscription of a process wants that started a run with this detail; None is everything, as where
        the process has it no more."""
        live = self.products.get(product)
        triggers = live.processes[process].spec.triggers if live is not None and process in live.processes else ()
        for trigger in triggers:
            if isinstance(trigger, PortTrigger) and trigger.port == detail.get("port"):
                return filter_of(trigger)
            if isinstance(trigger, EventTrigger) and trigger.name == detail.get("event"):
                return filter_of(trigger, partial(self._sees, ProductId.parse(product).domain))
        return None

    def _sees(self, domain: str, product: str) -> bool:
        """Whether products of a domain may know of another one: drafts are for their own domain."""
        other = self.products.get(product)
        return other is None or other.state is not ProductState.DRAFT or other.spec.domain == domain

    async def see(self, product: str, token: str) -> None:
        """Waits until every lookup that a live product may look into shows what was committed with `token`. Raises
        `Unavailable("view.behind")`."""
        for port in self.serving.lookup_paths(self.products[product].spec):
            await self._lookups.reach(port, token)

    async def leave(self, port: str, retirement: Retirement) -> None:
        """A version of a port has ended: nothing follows it any more."""
        self.ended[port] = retirement
        for product in {process.partition(":")[0] for process, _ in self.followers(port)}:
            await self.resubscribe(product)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Those of all live products that are not paused."""
        return [
            one
            for opened in list(self._subscriptions.values())
            for one in list(opened)
            if isinstance(one, Subscription)
        ]

    def _mine(self, group: str, partition: int) -> bool:
        return self.shares(group, partition)

    async def reassign(self) -> None:
        """Other partitions are to be followed here than before."""
        for subscriptions in list(self._subscriptions.values()):
            for subscription in list(subscriptions):
                await subscription.settle()

    async def resubscribe(self, product: str) -> None:
        """Ends the subscriptions of a product and begins those of its live revision that are not paused."""
        for subscription in self._subscriptions.pop(product, []):
            await subscription.close()
        live = self.products.get(product)
        if live is None:
            return
        paused = self.registry.paused_triggers()
        opened = self._subscriptions.setdefault(product, [])
        for process in live.processes.values():
            names = trigger_names(process.spec.triggers)
            for name, trigger in zip(names, process.spec.triggers, strict=True):
                if not isinstance(trigger, Following):
                    continue
                if TriggerKey(product, process.spec.name, name) in paused:
                    continue
                if isinstance(trigger, PortTrigger) and trigger.port in self.ended:
                    _report.warning("%s follows %s, which has ended", process.id, trigger.port)
                    continue
                if isinstance(trigger, PortTrigger) and self.log.log.topic(trigger.port) is None:
                    _report.warning("%s waits for %s, which nobody publishes yet", process.id, trigger.port)
                    continue
                mine = partial(self._mine, group_of(process, trigger))
                subscription = Subscription(
                    self.log, self.engine, process, trigger, self._executor, self._seen(process),
                    partial(self._sees, live.spec.domain),
                    self._beside(process, trigger), mine, is_independent=not _reads_own(live.spec, process),
                )  # fmt: skip
                if isinstance(trigger, KafkaTrigger):
                    open_source = partial(self.open_source, product, trigger)
                    landing = Landing(self.log, process, trigger, open_source, mine, subscription.settle)
                    landing.open()
                    opened.append(landing)
                await subscription.open()
                opened.append(subscription)


def _reads_own(spec: ProductSpec, process: LiveProcess) -> bool:
    """Whether a process looks into what its product publishes."""
    return any(spec.output(port) is not None for port in process.spec.reads)
