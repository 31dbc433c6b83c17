"""What changes in the terms of a port: what its contract says beside its schema. Pure: two documents in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hansa.contracts.changelog import rules_changed
from hansa.contracts.dates import NAMES
from hansa.contracts.part import VENDOR
from hansa.lifecycle.changes import Change

_SECTIONS: Final = (
    "price",
    "support",
    "roles",
    "team",
    "servers",
    "authoritativeDefinitions",
    "tags",
    "tenant",
)
_OURS: Final = ("replay", "delivery", "shield")
"""Those of our custom properties that the compared specs do not hold."""


def terms_changed(old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]) -> list[Change]:
    """The differences between the contracts of ports that both have, by the id of the port."""
    found = []
    for port in sorted(old.keys() & new.keys()):
        before, after = dict(_terms(old[port])), dict(_terms(new[port]))
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                text = f"the {name} of {port} changes{_said(before.get(name), after.get(name))}"
                found.append(Change("metadata", "terms", port, text))
        rules = rules_changed(old[port], new[port])
        found += [Change(one.kind, "terms", port, f"in {port}, {one.text}", one.path) for one in rules]
    return found


def _terms(contract: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, contract[name]) for name in _SECTIONS if name in contract)
    description = contract.get("description")
    if isinstance(description, dict):
        yield from ((name, description[name]) for name in ("usage", "limitations") if name in description)
    for item in _mappings(contract.get("slaProperties")):
        if item.get("property") in NAMES:
            continue
        place = f" of {item['element']}" if item.get("element") else ""
        unit = f" {item['unit']}" if item.get("unit") else ""
        yield f"{item.get('property')}{place}", f"{item.get('value')}{unit}"
    for item in _mappings(contract.get("customProperties")):
        if item.get("vendor") == VENDOR and item.get("property") in _OURS:
            yield str(item["property"]), item.get("value")


def _mappings(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _said(before: Any, after: Any) -> str:
    """From what to what, where both can be said in a few words."""
    if isinstance(before, dict | list) or isinstance(after, dict | list):
        return ""
    return f" from {'none' if before is None else before} to {'none' if after is None else after}"
