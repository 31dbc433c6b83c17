"""The documents of a product that is live: its author's files, whole, and what only a deployment knows.

What the author wrote is never changed, except where the registry decides (`status`) or a name was left to be resolved.
What is added is valid in every version of the standards that is read; ODPS documents are told as 1.1, which every
older one is, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hansa.contracts.custom import write_custom
from hansa.contracts.odcs import major_of
from hansa.contracts.odps import port_version
from hansa.contracts.standards.grammar import shown
from hansa.contracts.standards.odps import ODPS
from hansa.model.ids import ProductId
from hansa.model.product import OutputPortSpec, PortTrigger, ProcessSpec, ProductSpec, ProductState

SERVER: Final = "hansa"
OUT: Final = ("deprecated", "retired")
"""The statuses of what should not be used anew."""
_MANAGED: Final = (
    ("discoverability", "{url}/products/{product}", "The product as the catalogue has it, JSON."),
    ("observability", "{url}/runs?product={product}", "The runs of its processes, JSON."),
    ("dictionary", "{url}/products/{product}/document", "This document."),
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployment knows of a product: the live revision and its spec, the state that the registry has, the `url`
    of the API without a slash at its end, and the live ports that it reads, by id."""

    spec: ProductSpec
    revision: str
    state: ProductState
    url: str
    reads: Mapping[str, OutputPortSpec]
    statuses: Mapping[str, str] = field(default_factory=dict)
    """The status of each port, in the words of ODCS; that of its contract where there is none."""


def product_document(data: Mapping[str, Any], deployed: Deployed) -> dict[str, Any]:
    """The ODPS document of a live product, from the data of its product.yaml."""
    spec = deployed.spec
    told = {
        **data,
        "apiVersion": shown(ODPS.newest),
        "status": deployed.state.value,
        "domain": spec.domain,
        **_lists("inputPorts", [_input(item, deployed) for item in data.get("inputPorts") or ()]),
        **_lists("outputPorts", [_output(item, deployed) for item in data.get("outputPorts") or ()]),
        "managementPorts": [*(data.get("managementPorts") or ()), *_managed(data, deployed)],
    }
    return write_custom(told, {"revision": deployed.revision})


def contract_document(data: Mapping[str, Any], port: OutputPortSpec, deployed: Deployed) -> dict[str, Any]:
    """The ODCS document of a live port, from the data of its contract's file."""
    named = [item for item in data.get("servers") or () if item.get("server") != SERVER]
    server = {
        "server": SERVER,
        "type": "api",
        "location": f"{deployed.url}/ports/{port.id}/records",
        "description": "Records as JSON, as an HTTP Feed or as server-sent events, by the Accept header.",
    }
    return {
        "domain": deployed.spec.domain,
        "dataProduct": deployed.spec.id,
        **data,
        "status": _status(port, deployed),
        "servers": [*named, server],
    }


def _status(port: OutputPortSpec, deployed: Deployed) -> str:
    return deployed.statuses.get(port.id, port.contract.status)


def _lists(key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: items} if items else {}


def _input(item: Mapping[str, Any], deployed: Deployed) -> dict[str, Any]:
    """An input port with the version and contract of the port that it reads."""
    declared = next(port for port in deployed.spec.inputs if port.name == str(item["name"]).strip())
    read = deployed.reads.get(declared.port)
    resolved = {} if read is None else {"version": read.version, "contractId": read.contract.id}
    own = {
        key: value for key, value in item.items() if not (key == "contractId" and resolved and value == declared.port)
    }
    return write_custom({**resolved, **own}, {"port": declared.port})


def _output(item: Mapping[str, Any], deployed: Deployed) -> dict[str, Any]:
    """An output port with its kind, version, contract and id, and the contracts of what it is made from."""
    version = port_version(item)
    identity = str(ProductId.parse(deployed.spec.id).port(str(item["name"]).strip(), major_of(version) or 1))
    port = deployed.spec.output(identity)
    if port is None:
        return dict(item)
    sources = [{"id": read.contract.id, "version": read.version} for read in _sources(identity, deployed)]
    told = {"version": version, "type": port.kind.value, "contractId": port.contract.id}
    is_deprecated = _status(port, deployed) in OUT
    ends = {"deprecated": is_deprecated} if is_deprecated or port.deprecated else {}
    return write_custom({**told, **_lists("inputContracts", sources), **item, **ends}, {"port": identity})


def _sources(port: str, deployed: Deployed) -> Iterator[OutputPortSpec]:
    """The live ports that the processes which publish to `port` read."""
    read = {name for process in deployed.spec.processes if port in process.publishes for name in _reads(process)}
    return (deployed.reads[name] for name in sorted(read) if name in deployed.reads)


def _reads(process: ProcessSpec) -> Iterator[str]:
    yield from process.reads
    yield from (trigger.port for trigger in process.triggers if isinstance(trigger, PortTrigger))


def _managed(data: Mapping[str, Any], deployed: Deployed) -> Iterator[dict[str, Any]]:
    """Hansa's own doors to the product, where the author names none with that name."""
    taken = {item.get("name") for item in data.get("managementPorts") or ()}
    for content, url, description in _MANAGED:
        if (name := f"{SERVER}-{content}") not in taken:
            place = url.format(url=deployed.url, product=deployed.spec.id)
            yield {"name": name, "content": content, "type": "rest", "url": place, "description": description}
