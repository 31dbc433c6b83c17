"""A mesh as thousands of deployments and their first runs leave it: bundles, products, ports, positions, lineage.

It goes through the interfaces of registry, blobs and log, as deployments and runs do, and not over HTTP. Every product
publishes one port and follows others, whose records it has all read; so a Hansa that starts on it has nothing to do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from benchmarks.planning import CODE, CONTRACT, NOTE, PRODUCT
from hansa.access.principal import SYSTEM
from hansa.blobs.bundle import hash_of, pack
from hansa.blobs.interface import Blobs
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.eventlog.interface import Advance, Append, CommitSet, Committed, Log, Outcome, TopicConfig, encode_entry
from hansa.lifecycle.serving import REVISION_CHARS
from hansa.model.product import InputPortSpec, PortTrigger, ProcessSpec, ProductSpec, StepSpec
from hansa.model.run import AUDIT_TOPIC, EVENTS_TOPIC, KEEPING_TOPIC, RUNS_TOPIC, RunEntry, RunState, new_run_id
from hansa.registry.interface import Registry
from hansa.registry.values import Domain

DOMAINS: Final = 50
TEAMS: Final = 200
RUNS_AT_ONCE: Final = 256
RUN_US: Final = 1_760_000_000_000_000


@dataclass(frozen=True)
class Size:
    """How many products there are, how many ports each one follows, and how many follow the hub."""

    products: int = 10_000
    follows: int = 5
    hub_consumers: int = 100

    def product(self, number: int) -> str:
        """The id of a product; the hub is number 0."""
        return f"domain{number % DOMAINS}.product{number}"

    def port(self, number: int) -> str:
        """The id of a product's port."""
        return f"{self.product(number)}/numbers@1"

    def followed(self, number: int) -> list[int]:
        """The products that one follows, each made before it; the hub follows nobody."""
        if number == 0:
            return []
        first = [0] if number <= self.hub_consumers else []
        others = [1 + (number * 7 + step * 131) % (number - 1) for step in range(self.follows) if number > 1]
        return list(dict.fromkeys([*first, *others]))[: self.follows]

    @property
    def subscriptions(self) -> int:
        """How many there are in all."""
        return sum(len(self.followed(number)) for number in range(self.products))


def populate(size: Size, folder: Path, registry: Registry, blobs: Blobs) -> list[ProductSpec]:
    """Deploys all products; `folder` is for their files meanwhile. Returns their specs."""
    for number in range(DOMAINS):
        registry.put_domain(SYSTEM.id, Domain(f"domain{number}"))
    specs = []
    for number in range(size.products):
        write(folder, size.product(number), NOTE)
        bundle = pack(folder).data
        specs.append(_spec(size, number, read_product(folder)))
        registry.deploy(SYSTEM.id, specs[-1], hash_of(bundle)[:REVISION_CHARS], blobs.put(bundle))
    return specs


def write(folder: Path, product: str, note: str) -> Path:
    """The files of a product whose contract has `note` at its end."""
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    (folder / "product.yaml").write_text(PRODUCT.format(id=product).replace("domain: bench", _domain(product)))
    (folder / "contracts" / "numbers@1.odcs.yaml").write_text(CONTRACT + note)
    (folder / "product.py").write_text(CODE)
    if not (folder / "ports.py").exists():
        (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))
    return folder


def _domain(product: str) -> str:
    return f"domain: {product.partition('.')[0]}"


def _spec(size: Size, number: int, declared: ProductSpec) -> ProductSpec:
    ports = [size.port(other) for other in size.followed(number)]
    processes = tuple(
        ProcessSpec(
            f"follow{index}", (StepSpec("put", "put"),), (PortTrigger(port),), reads=(port,),
            publishes=(declared.outputs[0].id,), fields={port: ("note",) if number % 2 else ("number",)},
        )
        for index, port in enumerate(ports)
    )  # fmt: skip
    tags = (f"tag{number % 100}", "all")
    description = f"Numbers of the kind {number}, kept for whoever counts them. {'Words about it. ' * 10}"
    return replace(
        declared, name=f"Product {number}", description=description, owner=f"Team {number % TEAMS}", tags=tags,
        inputs=tuple(InputPortSpec(f"in{index}", port) for index, port in enumerate(ports)), processes=processes,
    )  # fmt: skip


def run(specs: Iterable[ProductSpec], log: Log) -> None:
    """Has each process read a record of each port that it follows and publish one, each in a run of its own."""
    specs = list(specs)
    for topic in (RUNS_TOPIC, EVENTS_TOPIC, AUDIT_TOPIC, KEEPING_TOPIC):
        log.declare(topic, TopicConfig())
    for spec in specs:
        for port in spec.outputs:
            log.declare(port.id, TopicConfig(port.partitions, port.retention_s))
    committing = Committing(log)
    ends = dict.fromkeys((port.id for spec in specs for port in spec.outputs), 0)
    for made in (_published(specs, ends), _read(specs, ends)):
        while sets := list(islice(made, RUNS_AT_ONCE)):
            committing.commit(sets)


def _published(specs: Iterable[ProductSpec], ends: dict[str, int]) -> Iterator[CommitSet]:
    for spec in specs:
        for process in spec.processes:
            entry = _run(spec, process, writes=[(port, 1) for port in process.publishes])
            records = [Append(port, 0, 1, encode_entry("1", {"number": 1}), {}) for port in process.publishes]
            for port in process.publishes:
                ends[port] += 1
            yield CommitSet((Append(RUNS_TOPIC, 0, 1, encode_entry(entry.id, entry), {}), *records))


def _read(specs: Iterable[ProductSpec], ends: dict[str, int]) -> Iterator[CommitSet]:
    for spec in specs:
        for process in spec.processes:
            (port,) = process.reads
            entry = _run(spec, process, reads=[(port, 0, 0, ends[port])])
            advance = Advance(f"{spec.id}:{process.name}<{port}", port, 0, ends[port])
            yield CommitSet((Append(RUNS_TOPIC, 0, 1, encode_entry(entry.id, entry), {}),), (advance,))


def _run(spec: ProductSpec, process: ProcessSpec, **more: Any) -> RunEntry:
    return RunEntry(
        new_run_id(), RunState.SUCCEEDED, spec.id, "r", process.name, trigger="port", principal=f"process:{spec.id}",
        accepted_us=RUN_US, started_us=RUN_US, finished_us=RUN_US, **more,
    )  # fmt: skip


class Committing:
    """Commits to a log and waits for it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told = threading.Event()
        self._outcomes: list[Outcome] = []
        self._missing = 0
        log.start(self._on_outcomes)

    def commit(self, sets: list[CommitSet]) -> None:
        """Raises `ValueError` where one of the sets is refused."""
        work = [(commit, None) for commit in sets]
        self._told.clear()
        self._outcomes, self._missing = [], len(work)
        self._log.submit_all(work)
        self._told.wait()
        wrong = [outcome for outcome in self._outcomes if not isinstance(outcome, Committed)]
        if wrong:
            raise ValueError(f"a set was not committed: {wrong[0]}")

    def _on_outcomes(self, notice: list[tuple[Any, Outcome]]) -> None:
        self._outcomes += [outcome for _, outcome in notice]
        if len(self._outcomes) >= self._missing:
            self._told.set()
