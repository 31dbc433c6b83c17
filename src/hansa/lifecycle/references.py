"""References of a product's ports, held against the ports of the mesh that they lead to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from hansa.contracts.quality.rules import field_at
from hansa.contracts.types import is_uuid
from hansa.model.product import FieldSpec, OutputPortSpec, ProductSpec, ReferenceSpec
from hansa.sdk.finding import Finding


def wrong_references(spec: ProductSpec, others: Mapping[str, OutputPortSpec]) -> Iterator[Finding]:
    """The references of a product that no record could keep, or nobody could look up. One to a port that nobody
    publishes is told as an input that is not there."""
    ports = {**others, **{port.id: port for port in spec.outputs}}
    for port in spec.outputs:
        for reference in port.contract.references:
            if (parent := ports.get(reference.port)) is not None:
                yield from _wrong(port, reference, parent)
        if (circle := _circle(port.id, ports)) and port.id == min(set(circle) & {own.id for own in spec.outputs}):
            message = f"No first record can ever be published: {' → '.join(circle)} refer to each other"
            hint = "Let one of the fields be null, or give one reference the onViolation 'warn'."
            yield Finding("relationship.circle", message, hint, "product.yaml")


def _wrong(port: OutputPortSpec, reference: ReferenceSpec, parent: OutputPortSpec) -> Iterator[Finding]:
    what, key = f"{port.id}: {reference.path} refers to {parent.id}", parent.contract.key
    fields = {field.name: field for field in parent.contract.fields}
    if unknown := [name for name in reference.to if name not in fields]:
        hint = f"Its fields are {', '.join(fields)}."
        yield Finding("relationship.field", f"{what} by {unknown[0]}, which it does not have", hint, "product.yaml")
    elif sorted(reference.to) != sorted(key):
        named = f"its key is {', '.join(key)}" if key else "it has no key"
        message = f"{what} by {', '.join(reference.to)}, by which no record of it is found: {named}"
        yield Finding("relationship.key", message, "Refer to the key, to all of its fields.", "product.yaml")
    else:
        for path, name in zip(reference.fields, reference.to, strict=True):
            mine, theirs = field_at(port.contract.fields, path.split(".")), fields[name]
            if _kind(mine) != _kind(theirs):
                message = f"{what} by {name}: {path} is {_kind(mine)}, and that is {_kind(theirs)}"
                yield Finding("relationship.type", message, "Give both the same type.", "product.yaml")


def _kind(field: FieldSpec) -> str:
    return "uuid" if is_uuid(field) else field.type


def _circle(start: str, ports: Mapping[str, OutputPortSpec]) -> list[str]:
    """The way from a port over references that every record must have, back to it; empty where there is none. One
    step is none: a record may refer to itself."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        for reached in sorted(_demanded(ports.get(way[-1]))):
            if reached == start and len(way) > 1:
                return [*way, start]
            if reached not in seen:
                seen.add(reached)
                ways.append([*way, reached])
    return []


def _demanded(port: OutputPortSpec | None) -> set[str]:
    """The ports that every record of a port must refer to."""
    if port is None:
        return set()
    contract = port.contract
    required = set(chain.from_iterable(_required("", contract.fields)))
    return {
        one.port
        for one in contract.references
        if required.issuperset(one.fields) and (one.action or contract.on_violation) != "warn"
    }


def _required(above: str, fields: tuple[FieldSpec, ...]) -> Iterator[list[str]]:
    """The paths of values that are always there."""
    for field in fields:
        if field.required:
            yield [f"{above}{field.name}"]
            yield from _required(f"{above}{field.name}.", field.fields)
