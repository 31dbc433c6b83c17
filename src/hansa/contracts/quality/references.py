"""References between ports: `relationships` of ODCS 3.1 and later, of a schema object and of its properties.

The standard writes where one leads in two notations, by names (`customers.customer`) and by ids
(`customers.yaml#/schema/customers/properties/customer`). The object that a contract does not have itself is a port of
the product: an input or an output, by its name or by the id of its contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hansa.contracts.custom import ACTIONS
from hansa.contracts.part import Part
from hansa.contracts.quality.read import with_ids
from hansa.model.ids import did_you_mean
from hansa.model.product import OutputPortSpec, ReferenceSpec
from hansa.sdk.finding import Finding

_QUALIFIED: Final = re.compile(
    r"(?:(?:.*/)?(?P<file>[^/#]+?)(?:\.odcs)?\.yaml#)?/?schema/(?P<object>[^/]+)/properties/(?P<path>.+)"
)
_HINT: Final = "It reads like 'customers.customer' or 'customers.yaml#/schema/customers/properties/customer'."
Place = tuple[str, str]
"""What an end of a relationship calls the records, empty for those of this contract, and the path of the property."""


def read_references(contract_object: Part) -> tuple[ReferenceSpec, ...]:
    """The references of a schema object's records; what cannot be meant is reported with its line, and left out."""
    found = [_reference(part, contract_object, ()) for part in contract_object.parts("relationships")]
    found += _of_properties(contract_object, contract_object, "")
    return tuple(with_ids([reference for reference in found if reference is not None]))


def _of_properties(part: Part, whole: Part, above: str) -> Iterator[ReferenceSpec | None]:
    for item in part.parts("properties"):
        path = f"{above}{item.value.get('name', '')}"
        yield from (_reference(one, whole, (path,)) for one in item.parts("relationships"))
        if item.value.get("logicalType") == "object":
            yield from _of_properties(item, whole, f"{path}.")


def _reference(part: Part, whole: Part, fields: tuple[str, ...]) -> ReferenceSpec | None:
    """The reference; None where something of it is wrong, which is reported then, or it is not to be checked."""
    before, custom = len(part.findings), part.custom()
    ends = [_place(part, "to", text, whole) for text in part.texts("to")]
    targets = {target for target, _ in ends}
    fields = fields or tuple(_own(part, text, whole) for text in part.texts("from"))
    if len(targets) > 1:
        part.report("relationship.targets", f"It leads to {' and '.join(sorted(targets))}", "Make one of each.", "to")
    if len(ends) != len(fields):
        message = f"It goes from {len(fields)} fields to {len(ends)}"
        part.report("relationship.pairs", message, "Name a field of the other side for each, in one order.", "to")
    if custom.value.get("enforced") is False or len(part.findings) > before or not ends:
        return None
    return ReferenceSpec(
        id=part.text("id") or f"{','.join(fields)}.foreignKey",
        fields=fields,
        to=tuple(path for _, path in ends),
        target=custom.text("port") or targets.pop(),
        action=ACTIONS.get(custom.text("onViolation")),
    )


def _place(part: Part, end: str, text: str, whole: Part) -> Place:
    qualified = _QUALIFIED.fullmatch(text)
    if qualified is None and not all(text.partition(".")):
        part.report("relationship.place", f"{text!r} does not say where it leads", _HINT, end)
        return "", ""
    if qualified is None:
        target, _, path = text.partition(".")
    else:
        target, path = qualified["file"] or qualified["object"], qualified["path"].replace("/properties/", ".")
    is_own = target in {whole.value.get(key) for key in ("name", "id", "physicalName")}
    return ("", _named(whole.value, path)) if is_own else (target, path)


def _own(part: Part, text: str, whole: Part) -> str:
    """The path of a property of this contract."""
    target, path = _place(part, "from", text, whole)
    if path and (target or _found(whole.value, path) is None):
        message = f"It begins at {text!r}, which the schema does not have"
        part.report("contract.field_unknown", message, "Name a property of this schema.", "from")
    return path


def _named(value: Mapping[str, Any], path: str) -> str:
    """A path by names or ids as one by names."""
    return _found(value, path) or path


def _found(value: Mapping[str, Any], path: str) -> str | None:
    name, _, rest = path.partition(".")
    for item in value.get("properties") or ():
        if name in (item.get("name"), item.get("id")):
            below = _found(item, rest) if rest else ""
            return None if below is None else ".".join(filter(None, (str(item.get("name")), below)))
    return None


def resolved(
    port: OutputPortSpec, file: str, outputs: Sequence[OutputPortSpec], known: Mapping[str, frozenset[str]]
) -> tuple[OutputPortSpec, list[Finding]]:
    """A port whose references name the ports that they lead to. `known` has by what the product calls a port (and by
    its id) which ports that may be."""
    made, findings = list[ReferenceSpec](), list[Finding]()
    for reference in port.contract.references:
        ports = known.get(reference.target, frozenset()) if reference.target else frozenset((port.id,))
        if len(ports) == 1:
            (target,) = ports
            made.append(_in_order(replace(reference, port=target), outputs))
        else:
            findings.append(_unresolved(reference, sorted(ports), known, file))
    return replace(port, contract=replace(port.contract, references=tuple(made))), findings


def _in_order(reference: ReferenceSpec, outputs: Sequence[OutputPortSpec]) -> ReferenceSpec:
    """The pairs in the order of the key that they lead to, where that is a port of the product itself."""
    key = next((output.contract.key for output in outputs if output.id == reference.port), ())
    if sorted(key) != sorted(reference.to):
        return reference
    pairs = sorted(zip(reference.to, reference.fields, strict=True), key=lambda pair: key.index(pair[0]))
    return replace(reference, fields=tuple(field for _, field in pairs), to=tuple(to for to, _ in pairs))


def _unresolved(
    reference: ReferenceSpec, ports: Sequence[str], known: Mapping[str, frozenset[str]], file: str
) -> Finding:
    if ports:
        message = f"{reference.path} refers to {reference.target!r}, which may be {' or '.join(ports)}"
        return Finding("relationship.port", message, "Say which by the custom property 'port' (vendor: hansa).", file)
    near = did_you_mean(reference.target, known)
    hint = f"{near or 'Name the port among inputPorts.'} Or say 'enforced: false' (vendor: hansa): nobody checks it."
    message = f"{reference.path} refers to {reference.target!r}, which is no port of the product"
    return Finding("relationship.port", message, hint, file)
