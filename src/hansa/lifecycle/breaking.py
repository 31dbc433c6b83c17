"""Breaking changes of ports: who reads them, and why a deploy is refused without a consent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hansa.lifecycle.changes import Change
from hansa.model.product import ContractSpec, PortTrigger, ProductSpec
from hansa.registry.values import Revision
from hansa.sdk.finding import Finding


def readers(specs: Iterable[ProductSpec]) -> dict[str, list[str]]:
    """By port, the products that read it, by an input port, a subscription or a lookup."""
    found: dict[str, set[str]] = {}
    for spec in specs:
        reads = {item.port for item in spec.inputs}
        reads |= {port for process in spec.processes for port in process.reads}
        reads |= {t.port for process in spec.processes for t in process.triggers if isinstance(t, PortTrigger)}
        for port in reads:
            found.setdefault(port, set()).add(spec.id)
    return {port: sorted(products) for port, products in found.items()}


def refusals(made: Iterable[Change], read_by: Mapping[str, Sequence[str]]) -> list[Finding]:
    """One finding for each breaking change: port, field and who is known to read it."""
    return [
        Finding(
            "contract.incompatible",
            f"{change.text}; {_known(read_by.get(change.id, ()))}",
            "Make it a new major of the port, or consent: hansa deploy --accept-breaking REASON",
            "product.yaml",
        )
        for change in made
        if change.kind == "breaking"
    ]


def _known(products: Sequence[str]) -> str:
    return f"read by {', '.join(products)}" if products else "no product reads it"


def earlier_contracts(revisions: Iterable[Revision]) -> dict[str, dict[str, ContractSpec]]:
    """By port, each contract that it had, by the first revision with it; `revisions` come newest first."""
    found: dict[str, dict[str, ContractSpec]] = {}
    for revision in reversed(list(revisions)):
        for port in revision.spec.outputs:
            known = found.setdefault(port.id, {})
            if port.contract not in known.values():
                known[revision.hash] = port.contract
    return found
