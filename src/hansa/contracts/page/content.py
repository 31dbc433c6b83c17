"""What stands on the page of a contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hansa.contracts.changelog import ChangeLog, fields_with_paths, rules_by_name, unchecked_references
from hansa.contracts.odcs import ContractFile
from hansa.contracts.page.blocks import (
    Block,
    Cell,
    Facts,
    Inline,
    Items,
    Link,
    Mark,
    Mono,
    Page,
    Paragraph,
    Section,
    Table,
)
from hansa.contracts.page.reading import how_to_read
from hansa.contracts.page.schema import field_rows
from hansa.contracts.part import VENDOR

_TONES: Final = {"active": "good", "draft": "calm", "proposed": "calm", "deprecated": "warn", "retired": "bad"}
_OUT: Final = {"deprecated": "Do not begin to read it.", "retired": "It is read no more."}
_ORPHANS: Final = {"refuse": "is refused", "quarantine": "is quarantined", "warn": "is published with a warning"}
_CHANGE_TONES: Final = {"breaking": "bad", "removed": "warn", "changed": "calm", "added": "good", "metadata": "calm"}


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the contract, and when it was first live."""

    version: str
    since: str
    revision: str


@dataclass(frozen=True, slots=True)
class Served:
    """What a deployment adds to a contract. `url` is that of the Hansa, without a slash at its end; `readers` are the
    processes that whoever looks may know of. `status` goes before the contract's own; `successor` is the port that
    takes the place of this one, `ends` when this one ends."""

    port: str
    product: str
    url: str
    owner: str = ""
    status: str | None = None
    successor: str | None = None
    ends: str | None = None
    support: Sequence[Mapping[str, str]] = ()
    readers: Sequence[str] = ()
    releases: Sequence[Release] = ()
    changes: Sequence[ChangeLog] = ()


def page_of(contract: ContractFile, served: Served | None = None) -> Page:
    """The page of a contract; with what is known of it where it is `served`."""
    data, spec = contract.document.data, contract.spec
    status = (served and served.status) or spec.status
    marks = [Mark(f"version {spec.version}"), Mark(status, _TONES.get(status, "calm"))]
    sections = [*_sections(contract, data, served)]
    title = str(data.get("name") or (served.port if served else spec.id))
    return Page(title, marks, spec.description, [section for section in sections if section.blocks])


def _sections(contract: ContractFile, data: Mapping[str, Any], served: Served | None) -> Iterator[Section]:
    yield Section("What it is", [*_standing(served), Facts(list(_facts(contract, data, served)))])
    yield Section("Fields", [*_fields(contract)])
    yield Section("References", [*_references(contract)])
    yield Section("Quality", [*_quality(data)])
    yield Section("Service levels", [*_levels(data)])
    yield Section("Terms", [*_terms(data)])
    if served is not None:
        yield Section("How to read it", how_to_read(served.port, served.url, contract.spec))
        yield Section("Versions", [*_releases(served)])
        yield Section("Who reads it", [_readers(served)])
        yield Section("What changed", [*_changes(served)])


def _standing(served: Served | None) -> Iterator[Block]:
    """Whether to begin to read it, when it ends, and what takes its place."""
    if served is None:
        return
    told: list[Inline] = []
    if news := _OUT.get(served.status or ""):
        told += [Mark((served.status or "").capitalize(), _TONES[served.status or ""]), f" {news}"]
    if served.ends:
        told.append(f" {'It ended' if served.status == 'retired' else 'It ends'} on {served.ends}.")
    if served.successor:
        told += [" Its successor is ", Mono(served.successor), "."]
    if told:
        yield Paragraph(told)


def _facts(contract: ContractFile, data: Mapping[str, Any], served: Served | None) -> Iterator[tuple[str, Cell]]:
    if served is not None:
        yield "Port", Mono(served.port)
        yield "Product", Link(served.product, f"{served.url}/products/{served.product}")
    yield "Contract", Mono(contract.spec.id)
    team = data.get("team")
    named = team.get("name") if isinstance(team, dict) else None
    if owner := (served.owner if served else "") or named:
        yield "Owner", str(owner)
    if support := [*_support(data.get("support") or ()), *_support(served.support if served else ())]:
        yield "Support", _joined(support)
    if key := contract.spec.key:
        yield "Key", _joined([Mono(name) for name in key])
    if contract.spec.subject:
        yield "Person", ["records are about the person in ", Mono(contract.spec.subject), ", and can be forgotten"]
    if tags := data.get("tags"):
        yield "Tags", ", ".join(map(str, tags))


def _support(channels: Sequence[Mapping[str, Any]]) -> Iterator[Inline]:
    for channel in channels:
        name = str(channel.get("channel") or channel.get("tool") or "support")
        yield Link(name, str(channel["url"])) if channel.get("url") else name


def _joined(parts: Sequence[Inline]) -> list[Inline]:
    """The parts with commas between them."""
    return [piece for index, part in enumerate(parts) for piece in ([", ", part] if index else [part])]


def _fields(contract: ContractFile) -> Iterator[Block]:
    if rows := field_rows(contract.spec.fields, contract.spec.key):
        yield Table("The fields of a record", ("field", "type", "rules", "meaning"), rows)


def _references(contract: ContractFile) -> Iterator[Block]:
    """What the records refer to, and what becomes of one that refers to none."""
    spec = contract.spec
    rows: list[Sequence[Cell]] = [
        (
            Mono(one.path),
            Mono(one.port or one.target or spec.id),
            ", ".join(one.to),
            _ORPHANS[one.action or spec.on_violation],
        )
        for one in spec.references
    ]
    rows += [
        (Mono(path), Mono(to), "", "nobody checks it") for path, to in unchecked_references(contract.document.data)
    ]
    if rows:
        yield Table("What its records refer to", ("field", "refers to", "by", "a record that refers to none"), rows)


def _quality(data: Mapping[str, Any]) -> Iterator[Block]:
    rows = [*_rules("all records", data)]
    for item in data.get("schema") or ():
        rows += _rules("all records", item)
        for path, field in fields_with_paths(item):
            rows += _rules(path, field)
    if rows:
        yield Table("Rules that are checked", ("rule", "on", "promise", "meaning"), rows)


def _rules(place: str, item: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    for name, rule in rules_by_name(item.get("quality") or ()).items():
        told = {key: value for key, value in rule.items() if key.startswith("must") or key in ("unit", "query")}
        promise = ", ".join(f"{_words(key)} {value}" for key, value in told.items())
        yield name, Mono(place), promise, str(rule.get("description", ""))


def _words(name: str) -> str:
    """`mustBeLessThan` as `must be less than`."""
    return re.sub(r"[A-Z]", lambda letter: f" {letter[0].lower()}", name)


def _levels(data: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        (
            str(item.get("property", "")),
            " ".join(str(item[key]) for key in ("value", "unit") if item.get(key) is not None),
            str(item.get("element") or ""),
            str(item.get("description") or ""),
        )
        for item in data.get("slaProperties") or ()
    ]
    if rows:
        yield Table("What is promised of the service", ("promise", "value", "on", "meaning"), rows)


def _terms(data: Mapping[str, Any]) -> Iterator[Block]:
    description = data.get("description")
    said = description if isinstance(description, dict) else {}
    rows: list[tuple[str, Cell]] = [
        (name.capitalize(), str(said[name])) for name in ("usage", "limitations") if said.get(name)
    ]
    for item in data.get("customProperties") or ():
        if item.get("vendor") == VENDOR:
            rows.append((str(item.get("property")), Mono(_shown(item.get("value")))))
    if price := data.get("price"):
        rows.append(("Price", " ".join(str(value) for value in price.values())))
    if rows:
        yield Facts(rows)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)


def _releases(served: Served) -> Iterator[Block]:
    if served.releases:
        rows = [(release.version, release.since, Mono(release.revision)) for release in served.releases]
        yield Table("Versions of the contract, the newest first", ("version", "live since", "revision"), rows)


def _readers(served: Served) -> Block:
    if not served.readers:
        return Paragraph(["No process that you may know of."])
    return Items([Mono(reader) for reader in served.readers])


def _changes(served: Served) -> Iterator[Block]:
    for log in served.changes:
        yield Paragraph([f"From {log.older} to {log.newer}, judged as {log.mode.value}:"])
        yield Items([[Mark(e.kind, _CHANGE_TONES[e.kind]), " ", e.text] for e in log.entries] or ["nothing"])
