"""Bitol ODPS 1.x in: a product's folder as its files describe it, before any of its code is looked at.

What ODPS cannot say stands in `customProperties` with `vendor: hansa` (`hansa.contracts.custom`). What it does not
allow is a finding, too (`hansa.contracts.standards`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from hansa.contracts.document import Document, read_document
from hansa.contracts.expectations import read_expectations
from hansa.contracts.odcs import ContractFile, examine_contract, major_of, normal_version
from hansa.contracts.part import Part
from hansa.contracts.quality.references import resolved
from hansa.contracts.standards.check import check_document, merged
from hansa.contracts.standards.odps import ODPS
from hansa.contracts.windows import check_windows
from hansa.errors import CallerError, PlanError
from hansa.model.ids import PortId, ProductId, check_name, did_you_mean
from hansa.model.product import InputPortSpec, LimitSpec, OutputPortSpec, Person, PortKind, ProductSpec
from hansa.model.window import Window
from hansa.sdk.finding import Finding, plan_error

PRODUCT_FILE: Final = "product.yaml"
CONTRACTS: Final = "contracts"
REQUIREMENTS: Final = "requirements.txt"
_ID_HINT: Final = "It is the domain and the product, for example 'operations.flights'."
_PORT_HINT: Final = "Add a customProperty 'port' (vendor: hansa), for example 'operations.flights/departures@1'."


@dataclass(frozen=True, slots=True)
class ProductFiles:
    """A product's folder: what its files say, and the documents themselves, whole. `contracts` are those of the output
    ports, by the port's id."""

    spec: ProductSpec
    document: Document
    contracts: Mapping[str, ContractFile]


def read_product(folder: Path) -> ProductSpec:
    """What product.yaml, the contracts and requirements.txt say; logic and processes are left empty.

    Raises `PlanError` with every finding, each with file and line.
    """
    return read_files(folder).spec


def read_files(folder: Path) -> ProductFiles:
    """As `read_product`, with the documents."""
    findings: list[Finding] = []
    broken: list[Finding] = []
    document = read_document(folder / PRODUCT_FILE)
    contracts = _contracts(folder, broken)
    part = Part.of(document, findings)
    identity = _identity(part)
    outputs = _referring(part, _outputs(part, identity, contracts, {finding.file for finding in broken}), findings)
    spec = _product(part, identity, tuple(port for port, _ in outputs), _requirements(folder))
    findings += check_windows(spec, {port.id: contract.file for port, contract in outputs})
    if found := [*merged(check_document(document, ODPS), findings), *broken]:
        raise plan_error(found)
    return ProductFiles(spec, document, {port.id: contract for port, contract in outputs})


def windows_in(folder: Path) -> dict[str, Window]:
    """The windows that the contracts of a product open, by port. Raises `PlanError`."""
    windows = {port: file.terms.window for port, file in read_files(folder).contracts.items()}
    return {port: window for port, window in windows.items() if window is not None}


class ProductReader:
    """`read_files` that parses a product's files again only where one of them has changed. Not thread-safe."""

    def __init__(self, kept_max: int = 256) -> None:
        self._kept_max = kept_max
        self._known: dict[bytes, ProductFiles] = {}

    def read(self, folder: Path) -> ProductFiles:
        """What `read_files` gives or raises; the same object for the same files. Not to be changed."""
        digest = _digest(folder)
        files = self._known.pop(digest, None) or read_files(folder)
        while len(self._known) >= self._kept_max:
            del self._known[next(iter(self._known))]
        self._known[digest] = files
        return files


def _digest(folder: Path) -> bytes:
    """Of the names and content of all that `read_files` reads."""
    found = hashlib.sha256()
    for path in (folder / PRODUCT_FILE, folder / REQUIREMENTS, *sorted((folder / CONTRACTS).glob("*"))):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).digest()
            found.update(hashlib.sha256(path.relative_to(folder).as_posix().encode()).digest() + content)
    return found.digest()


def _product(
    part: Part, identity: ProductId, outputs: tuple[OutputPortSpec, ...], requirements: tuple[str, ...]
) -> ProductSpec:
    part.choice("kind", ["DataProduct"], "DataProduct", "product.kind")
    part.required("apiVersion", "For example 'apiVersion: v1.1.0'.")
    custom, team = part.custom(), part.value.get("team")
    return ProductSpec(
        id=str(identity),
        name=part.text("name", identity.name),
        description=_description(part),
        version=normal_version(part.text("version", "0.1.0")) or "0.1.0",
        owner=custom.text("owner") or (part.mapping("team").text("name") if isinstance(team, dict) else ""),
        team=_team(part),
        support=tuple(_texts_of(item) for item in part.parts("support")),
        tags=part.texts("tags"),
        outputs=outputs,
        inputs=_inputs(part, {port.name for port in outputs}),
        connections=_connections(custom),
        requirements=requirements,
        limits=_limits(custom),
        status=part.text("status"),
    )


def _identity(part: Part) -> ProductId:
    text = part.required("id", _ID_HINT)
    try:
        identity = ProductId.parse(text)
    except CallerError as refused:
        if text:
            part.report("product.id", refused.message, refused.hint, "id")
        return ProductId("unknown", "unknown")
    domain = part.text("domain", identity.domain)
    if domain != identity.domain:
        message = f"domain is {domain!r}, but the id {text!r} says {identity.domain!r}"
        part.report("product.domain", message, "Make them the same.", "domain")
    return identity


def _description(part: Part) -> str:
    value = part.value.get("description")
    return value.strip() if isinstance(value, str) else part.mapping("description").text("purpose")


def _team(part: Part) -> tuple[Person, ...]:
    """ODPS has `team.members`; its older form, a list, is taken too."""
    is_list = isinstance(part.value.get("team"), list)
    members = part.parts("team") if is_list else part.mapping("team").parts("members")
    return tuple(
        Person(member.text("name") or member.text("username"), member.text("role"), member.text("username"))
        for member in members
    )


def _texts_of(part: Part) -> dict[str, str]:
    return {key: value for key, value in part.value.items() if isinstance(value, str)}


def _outputs(
    part: Part, product: ProductId, contracts: list[ContractFile], broken: Set[str]
) -> list[tuple[OutputPortSpec, ContractFile]]:
    """The output ports, each with its contract. One whose own file is among the `broken` misses no other."""
    found: dict[str, tuple[OutputPortSpec, ContractFile]] = {}
    for item in part.parts("outputPorts"):
        identity = _output_id(item, product)
        kind = PortKind(item.choice("type", list(PortKind), PortKind.STREAM, "port.kind"))
        contract = _contract_of(item, identity, contracts, broken) if identity else None
        if identity is None or contract is None:
            continue
        port = _output(item, identity, kind, contract)
        if port.id in found:
            item.report("port.duplicate", f"There are two output ports {port.id}", "Remove one of them.", "name")
        found[port.id] = port, contract
    return list(found.values())


def _referring(
    part: Part, outputs: list[tuple[OutputPortSpec, ContractFile]], findings: list[Finding]
) -> list[tuple[OutputPortSpec, ContractFile]]:
    """The output ports, with the ports that the references of their contracts lead to."""
    ports = [port for port, _ in outputs]
    names = {(name, port.id) for port in ports for name in (port.id, port.name, port.contract.id)}
    for item in part.parts("inputPorts"):
        one = item.apart()
        if read := _port_read(one):
            names |= {(name, read) for name in (read, one.text("name"), one.text("contractId")) if name}
    known = {name: frozenset(port for other, port in names if other == name) for name, _ in names}
    found = []
    for port, contract in outputs:
        referring, wrong = resolved(port, contract.file, ports, known)
        findings += wrong
        found.append((referring, contract))
    return found


def _output_id(part: Part, product: ProductId) -> PortId | None:
    name, version = _port_name(part), port_version(part.value)
    major = major_of(version)
    if not major:
        part.report(
            "port.version", f"{version!r} has no major version of 1 or more", "It reads like '1.0.0'.", "version"
        )
    return product.port(name, major) if name and major else None


def port_version(value: Mapping[str, Any]) -> str:
    """The version of a port in a document; 1.0.0 where it says none."""
    return str(value.get("version") or "1.0.0").strip()


def _output(part: Part, identity: PortId, kind: PortKind, contract: ContractFile) -> OutputPortSpec:
    version = port_version(part.value)
    return OutputPortSpec(
        id=str(identity),
        name=identity.name,
        version=normal_version(version) or version,
        kind=kind,
        contract=contract.spec,
        description=part.text("description") or contract.spec.description,
        partitions=contract.terms.partitions,
        retention_s=contract.retention_s,
        deprecated=part.value.get("deprecated") is True,
    )


def _contract_of(part: Part, identity: PortId, contracts: list[ContractFile], broken: Set[str]) -> ContractFile | None:
    """The contract that the port names by `contractId`, or whose file has the port's name."""
    port = f"{identity.name}@{identity.major}"
    wanted, own_file = part.text("contractId"), f"{CONTRACTS}/{port}.odcs.yaml"
    by_id = [c for c in contracts if c.spec.id == wanted and major_of(c.spec.version) == identity.major]
    found = next((c for c in (by_id if wanted else contracts) if c.file == own_file), None)
    found = found or next(iter(by_id), None)
    if found is None and own_file not in broken:
        asked = f"with the id {wanted!r} and that major version" if wanted else f"in {own_file}"
        known = did_you_mean(wanted, {c.spec.id for c in contracts}) if wanted else None
        part.report(
            "contract.missing", f"The port {port} has no contract {asked}", known or f"Write {own_file}.", "name"
        )
    return found


def _inputs(part: Part, taken: set[str]) -> tuple[InputPortSpec, ...]:
    found: dict[str, InputPortSpec] = {}
    for item in part.parts("inputPorts"):
        name, port = _port_name(item), _port_read(item)
        if name in taken or name in found:
            item.report("port.duplicate", f"There are two ports called {name!r}", "Rename one of them.", "name")
        if name and port:
            found[name] = InputPortSpec(name, port, read_expectations(item))
    return tuple(found.values())


def _port_read(part: Part) -> str:
    """The id of the output port: the custom property, or the contract's id where that is a port's."""
    custom = part.custom()
    text = custom.text("port") or part.text("contractId")
    try:
        return str(PortId.parse(text))
    except CallerError as refused:
        if "port" in custom.value:
            custom.report("port.id", refused.message, refused.hint, "port")
        else:
            part.report(
                "port.input_unnamed", "The input port does not say which output port it reads", _PORT_HINT, "name"
            )
        return ""


def _port_name(part: Part) -> str:
    name = part.required("name", "For example 'departures'.")
    try:
        return check_name(name, "port") if name else ""
    except CallerError as refused:
        part.report("port.name", refused.message, refused.hint, "name")
        return ""


def _connections(custom: Part) -> tuple[str, ...]:
    """Names, or mappings with a `name`; their values belong to the environment."""
    value = custom.value.get("connections")
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return tuple(str(item.get("name", "")) if isinstance(item, dict) else str(item) for item in value)
    return tuple(value) if isinstance(value, dict) else custom.texts("connections")


def _limits(custom: Part) -> LimitSpec:
    part, known = custom.mapping("limits"), [field.name for field in fields(LimitSpec)]
    found: dict[str, Any] = {}
    for name in part.value:
        if name not in known:
            hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
            custom.report("limit.unknown", f"There is no limit {name!r}", hint, "limits")
        elif (value := part.number(name)) is not None and value > 0:
            found[name] = value
        else:
            custom.report("limit.value", f"{name} is {part.value[name]!r}", "Give a whole number above 0.", "limits")
    return LimitSpec(**found)


def _contracts(folder: Path, findings: list[Finding]) -> list[ContractFile]:
    """Every contract of the folder, as far as it can be read; what is wrong with them is added to `findings`."""
    found = []
    for path in sorted((folder / CONTRACTS).glob("*.odcs.yaml")):
        try:
            contract, wrong = examine_contract(path, f"{CONTRACTS}/{path.name}")
        except PlanError as refused:
            findings += [Finding(**finding) for finding in refused.details["findings"]]
        else:
            findings += wrong
            found.append(contract)
    return found


def _requirements(folder: Path) -> tuple[str, ...]:
    """The lines of requirements.txt without comments, in order."""
    path = folder / REQUIREMENTS
    if not path.is_file():
        return ()
    lines = (line.partition(" #")[0].strip() for line in path.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
