"""What a revision needs to be served: its files, its libraries, the lookups that it may look into, and its workers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hansa.blobs.bundle import unpack
from hansa.blobs.interface import Blobs
from hansa.lifecycle.placing import placed
from hansa.model.product import OutputPortSpec, PortKind, ProductSpec
from hansa.outputs.lookups import Lookups
from hansa.registry.values import Revision
from hansa.runtime.environment import Environment, EnvironmentBuilder
from hansa.runtime.pool import REST_S, Pool
from hansa.runtime.workshop import Revision as ToServe
from hansa.runtime.workshop import Workshop, cpu_count
from hansa.runtime.zygote import LibrarySet

_report = logging.getLogger("hansa.lifecycle")
BASE_MODULES: Final = ("msgspec", "hansa", "hansa.runtime.worker", "hansa.runtime.isolation", "sqlite3")
IDLE_S: Final = 300.0
REVISION_CHARS: Final = 16
BASE: Final = LibrarySet("base", own=BASE_MODULES)


class Serving:
    """Makes revisions ready. `specs` are of the live revisions, by product, also of those that are not served yet; it
    is looked into and not changed."""

    def __init__(
        self,
        data: Path,
        blobs: Blobs,
        workshop: Workshop,
        environments: EnvironmentBuilder,
        lookups: Lookups,
        specs: Mapping[str, ProductSpec],
        *,
        idle_s: float = IDLE_S,
        rest_s: float = REST_S,
    ) -> None:
        self._data = data
        self._blobs = blobs
        self._workshop = workshop
        self._environments = environments
        self._lookups = lookups
        self._specs = specs
        self._idle_s = idle_s
        self._rest_s = rest_s
        self._unpacking = threading.Lock()

    def folder(self, revision: Revision) -> Path:
        """The unpacked files of a revision; unpacked now if they are not there. Blocking work: for a thread."""
        folder = self._data / "revisions" / revision.hash
        if not folder.exists():
            with self._unpacking:
                if not folder.exists():
                    unpack(self._blobs.get(revision.bundle), folder)
        return folder

    async def to_serve(
        self, product: str, revision: str, folder: Path, declared: ProductSpec, progress: Callable[[str], None]
    ) -> ToServe:
        """What workers of a revision need; builds its environment first where it has requirements."""
        libraries, lookups = BASE, self.lookup_paths(declared)
        if declared.requirements:
            made = self._environments.ensured(declared.requirements)
            if made is None:
                made = await asyncio.to_thread(self._environments.ensure, declared.requirements, progress)
            libraries = self._enclosed(made, lookups)
            folder = await asyncio.to_thread(placed, folder, Path(libraries.room or "") / "revisions")
        await self._workshop.prepare(libraries)
        return ToServe(product, revision, folder, declared, libraries, lookups)

    def _enclosed(self, made: Environment, lookups: dict[str, str]) -> LibrarySet:
        """The libraries of products with their own requirements. Whatever these import runs with the rights that the
        products share and no more: their libraries, the lookups that all of them read, and a room."""
        read = sorted({str(Path(path).parent) for path in lookups.values()})
        name = hashlib.sha256("\n".join((made.key, *read)).encode()).hexdigest()[:REVISION_CHARS]
        room = str(self._data / "rooms" / name)
        return LibrarySet(name, (str(made.path),), made.modules, BASE_MODULES, room, tuple(read))

    def lookup_paths(self, spec: ProductSpec) -> dict[str, str]:
        """Where the lookups are that a product may look into: its inputs, and its own ports."""
        ports = {i.port for i in spec.inputs} | {o.id for o in spec.outputs}
        return {port: str(self._lookups.path(port)) for port in ports if self._is_keyed(port, spec)}

    def looks_into(self, spec: ProductSpec, port: str) -> bool:
        """Whether a port is among those of `lookup_paths`."""
        is_its = spec.output(port) is not None or any(found.port == port for found in spec.inputs)
        return is_its and self._is_keyed(port, spec)

    async def fill_lookup(self, spec: ProductSpec, port: str) -> None:
        """A worker of the product is about to look into `port` for the first time."""
        if self.looks_into(spec, port):
            await self._lookups.fill(port)

    async def absent(self, port: str, keys: Sequence[str]) -> list[str]:
        """Which of the keys no record of a port has. Raises `Unavailable("view.behind")`."""
        return await self._lookups.absent(port, keys)

    def _is_keyed(self, port: str, spec: ProductSpec) -> bool:
        found = self._keyed(port, spec)
        return found is not None and bool(found.contract.key)

    def _keyed(self, port: str, spec: ProductSpec) -> OutputPortSpec | None:
        own = spec.output(port)
        if own is not None:
            return own if own.kind is PortKind.LOOKUP else None
        other = self._specs.get(port.partition("/")[0])
        return None if other is None else other.output(port)

    def pool(self, serve: ToServe) -> Pool:
        """The pool of a revision, without a worker yet."""
        limit = min(serve.declared.limits.workers_max, max(cpu_count(), 1) * 2)
        return Pool(
            lambda on_message, on_lost: self._workshop.worker(serve, on_message, on_lost),
            workers_max=limit,
            idle_s=self._idle_s,
            on_failure=lambda failure: _report.error(
                "no worker for %s: %s", serve.product, failure, extra={"product": serve.product}
            ),
            fresh=lambda on_message, on_lost: self._workshop.worker(serve, on_message, on_lost, fresh=True),
            rest_s=self._rest_s,
        )

    async def pool_of(self, revision: Revision) -> Pool:
        """The pool of a revision that was deployed before, without a worker yet."""
        folder, spec = await asyncio.to_thread(self.folder, revision), revision.spec
        declared = replace(spec, logic=(), processes=())  # its files may be older than what reads them today
        return self.pool(await self.to_serve(spec.id, revision.hash, folder, declared, lambda _: None))
