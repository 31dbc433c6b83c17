"""Who reads which port, and which contracts a port has had. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from hansa.lifecycle.ended import Retirement
from hansa.model.product import ContractSpec, PortTrigger, ProductSpec, versions_of
from hansa.model.window import Phase, Versions, phase_of
from hansa.registry.values import Revision
from hansa.sdk.finding import Finding


def readers(specs: Iterable[ProductSpec]) -> dict[str, list[str]]:
    """By port, the products that read it, by an input port, a subscription or a lookup."""
    found: dict[str, set[str]] = {}
    for spec in specs:
        for port in reads_of(spec):
            found.setdefault(port, set()).add(spec.id)
    return {port: sorted(products) for port, products in found.items()}


def reads_of(spec: ProductSpec) -> set[str]:
    """The ports that a product reads, its own included."""
    reads = {item.port for item in spec.inputs}
    reads |= {port for process in spec.processes for port in process.reads}
    return reads | {t.port for process in spec.processes for t in process.triggers if isinstance(t, PortTrigger)}


def warnings_of(spec: ProductSpec, specs: Iterable[ProductSpec], now: datetime) -> list[str]:
    """A sentence for each older version of a port that a product reads."""
    read = readers([spec])
    return [
        _passing(versions_of(older, newer), now)
        for other in specs
        for older, newer in other.windows()
        if older.id in read and other.id != spec.id
    ]


def _passing(versions: Versions, now: datetime) -> str:
    phase, dates = phase_of(versions, now, ["someone"]), versions.older_dates
    ends = f", and ends on {dates.end_of_life:%Y-%m-%d}" if dates.end_of_life else ""
    state = {
        Phase.UPCOMING: "will be followed",
        Phase.BOTH: "is followed",
        Phase.DEPRECATED: f"is deprecated{ends}: it is followed",
    }.get(phase, f"is supported no more{ends}: it is followed")
    return f"{versions.older} {state} by {versions.newer}"


def ended_reads(spec: ProductSpec, retired: Mapping[str, Retirement]) -> list[Finding]:
    """A finding for each version of a port that a product reads and that has ended."""
    return [
        Finding(
            "port.ended",
            f"It reads {port}, which has ended",
            f"Read {retired[port].successor}: its position moves with it.",
            "product.yaml",
        )
        for port in sorted(readers([spec]).keys() & retired.keys())
    ]


def earlier_contracts(revisions: Iterable[Revision]) -> dict[str, dict[str, ContractSpec]]:
    """By port, each contract that it had, by the first revision with it; `revisions` come newest first."""
    found: dict[str, dict[str, ContractSpec]] = {}
    for revision in reversed(list(revisions)):
        for port in revision.spec.outputs:
            known = found.setdefault(port.id, {})
            if port.contract not in known.values():
                known[revision.hash] = port.contract
    return found
