"""Version windows as a product's files declare them: what they must have in common, and samples to try them on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from hansa.contracts.document import Document
from hansa.contracts.mapping import is_name, mapping
from hansa.errors import AuthorError
from hansa.model.ids import PortId
from hansa.model.product import OutputPortSpec, ProductSpec, versions_of
from hansa.model.window import contradictions
from hansa.sdk.finding import Finding

EXAMPLES_MAX: Final = 100


def check_windows(spec: ProductSpec, files: Mapping[str, str]) -> list[Finding]:
    """What is wrong with the windows of a product; `files` has the contract's file of each port."""
    found: list[Finding] = []
    taken: set[str] = set()
    for newer in (port for port in spec.outputs if port.previous):
        older = spec.output(newer.previous or "")
        faults = _pair(older, newer) if older is not None and _major(older) < _major(newer) else [_alone(newer)]
        if newer.previous in taken:
            hint = "Each version has one that follows it."
            faults = [("window.forked", f"{newer.previous} has two windows", hint)]
        taken.add(newer.previous or "")
        found += [Finding(*fault, files[newer.id]) for fault in faults]
    return found


def _major(port: OutputPortSpec) -> int:
    return PortId.parse(port.id).major


_Fault = tuple[str, str, str]


def _alone(newer: OutputPortSpec) -> _Fault:
    message = f"{newer.id} has a window with {newer.previous}, which is no older version that product.yaml declares"
    return "window.previous", message, "Keep the older version among the outputPorts, with its contract."


def _pair(older: OutputPortSpec, newer: OutputPortSpec) -> list[_Fault]:
    return [
        *(("window.unlike", message, hint) for message, hint in _unlike(older, newer)),
        *(
            ("window.dates", message, "Change the dates of one of the two contracts.")
            for message in contradictions(versions_of(older, newer))
        ),
        *_translators(newer),
    ]


def _unlike(older: OutputPortSpec, newer: OutputPortSpec) -> Iterator[tuple[str, str]]:
    """Differences that no translator can bridge."""
    both = f"{older.id} and {newer.id}"
    if older.kind is not newer.kind:
        yield f"{both} are of two kinds, {older.kind} and {newer.kind}", "Give both the same type."
    if older.partitions != newer.partitions:
        yield f"{both} have {older.partitions} and {newer.partitions} partitions", "Positions of both go side by side."
    if len(older.contract.key) != len(newer.contract.key):
        keys = f"{_names(older.contract.key)} and {_names(newer.contract.key)}"
        yield f"{both} are identified by {keys}", "A record has the same key in both versions."
    if bool(older.contract.subject) != bool(newer.contract.subject):
        yield f"only one of {both} names the person it is about", "Give both contracts a subject, or neither."


def _names(key: Sequence[str]) -> str:
    return ", ".join(key) or "nothing"


def _translators(newer: OutputPortSpec) -> Iterator[_Fault]:
    window = newer.contract.window
    assert window is not None
    for text in (window.upgrade, window.downgrade):
        if not is_name(text):
            try:
                mapping(text)
            except AuthorError as wrong:
                yield wrong.code, wrong.message, wrong.hint or ""


def examples_of(contract: Document) -> list[dict[str, Any]]:
    """Records made of the examples that the properties of a contract have, one for each row of them. None where a
    required property has no example."""
    objects = contract.data.get("schema") or [{}]
    properties = [item for item in objects[0].get("properties") or () if isinstance(item, dict)]
    given = {item["name"]: list(item.get("examples") or ()) for item in properties if "name" in item}
    if any(item.get("required") and not given.get(item.get("name")) for item in properties):
        return []
    columns = {name: values for name, values in given.items() if values}
    rows = list(zip_longest(*columns.values()))[:EXAMPLES_MAX]
    return [
        {
            name: values[0] if value is None else value
            for (name, values), value in zip(columns.items(), row, strict=True)
        }
        for row in rows
    ]
