"""Who reads which port, and which contracts a port has had. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hansa.lifecycle.standing import Standing
from hansa.model.product import ContractSpec, PortTrigger, ProductSpec
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


def warnings_of(spec: ProductSpec, standings: Iterable[Standing]) -> list[str]:
    """A sentence for each older version of another product's port that a product reads."""
    read = {port for port in reads_of(spec) if port.partition("/")[0] != spec.id}
    return [standing.warning for standing in standings if standing.versions.older in read]


def ended_reads(spec: ProductSpec, ended: Mapping[str, str]) -> list[Finding]:
    """A finding for each version of a port that a product reads and that has ended; `ended` names its successor."""
    return [
        Finding(
            "port.ended",
            f"It reads {port}, which has ended",
            f"Read {ended[port]}: its position moves with it.",
            "product.yaml",
        )
        for port in sorted(reads_of(spec) & ended.keys())
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
