"""Deploys every product below a folder, those that others read first, and waits until what they load has settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

from hansa.access.principal import SYSTEM
from hansa.blobs.bundle import pack
from hansa.contracts.odps import read_product
from hansa.errors import AuthorError, CallerError
from hansa.model.product import ProductSpec
from hansa.registry.values import Domain
from hansa.server.services import Services

Say = Callable[[str], None]
QUIET_S: Final = 0.5
TOLD_S: Final = 2.0


def products_below(folder: Path) -> list[tuple[Path, ProductSpec]]:
    """The products in `folder`, each behind those that it reads. Raises `AuthorError("examples.circle")`."""
    read = [(path.parent, read_product(path.parent)) for path in sorted(folder.rglob("product.yaml"))]
    found = {spec.id: (path, spec) for path, spec in read}
    needs = {spec.id: {i.port.partition("/")[0] for i in spec.inputs} & found.keys() - {spec.id} for _, spec in read}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as failure:
        raise AuthorError("examples.circle", f"Products read each other in a circle: {failure.args[1]}") from failure
    return [found[name] for name in order]


async def deploy_all(services: Services, folder: Path, say: Say) -> None:
    """Deploys what is not live yet, in order, and says how far the loads are until nothing moves any more: those of a
    product before the next one is deployed, and those that were interrupted by the last stop."""
    for path, spec in await asyncio.to_thread(products_below, folder):
        await asyncio.to_thread(_domain, services, spec)
        bundle = await asyncio.to_thread(pack, path)
        found = await services.deployer.deploy(
            SYSTEM.id, spec.id, bundle.data, accept_breaking="the examples of another release", progress=say
        )
        if found.previous == found.revision:
            say(f"{spec.id}: revision {found.number} is live already")
        else:
            say(f"{spec.id}: revision {found.number} is live after {found.seconds:.2f} s")
            await _settled(services, say)
    if services.engine.active:
        await _settled(services, say)


def _domain(services: Services, spec: ProductSpec) -> None:
    try:
        services.registry.domain(spec.domain)
    except CallerError:
        services.registry.put_domain(SYSTEM.id, Domain(spec.domain, owner=spec.owner))


async def _settled(services: Services, say: Say) -> None:
    """Waits until no run is active and no port has grown for a moment."""
    quiet_since, told_at, before = time.monotonic(), time.monotonic(), _ends(services)
    while time.monotonic() - quiet_since < QUIET_S:
        await asyncio.sleep(0.05)
        ends = _ends(services)
        if ends != before or services.engine.active:
            quiet_since = time.monotonic()
        if time.monotonic() - told_at > TOLD_S:
            told_at = time.monotonic()
            grown = [f"{port}: {end:,} records" for port, end in ends.items() if end != before.get(port)]
            say("  " + (", ".join(grown) or "waiting for its runs to end"))
        before = ends


def _ends(services: Services) -> dict[str, int]:
    """Records per port so far."""
    log = services.log.log
    return {
        port.id: sum(log.bounds(port.id, partition)[1] for partition in range(port.partitions))
        for spec in services.mesh.specs()
        for port in spec.outputs
    }
