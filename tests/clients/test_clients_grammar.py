"""Our grammars of the standards against their published JSON Schemas, which stand in the linters' packages.

A document with everything that a grammar has is valid; one that is changed in one place is valid to both or to neither.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from linters import Linters

from hansa.contracts.document import Document, Place
from hansa.contracts.standards.check import check_document
from hansa.contracts.standards.grammar import Grammar, Member, Version, shown, words
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.standards.odps import ODPS

VALUES = {
    "text": "text", "flag": True, "integer": 1, "number": 1.5, "scalar": "one", "mapping": {}, "any": "any",
}  # fmt: skip
NAMING = frozenset(
    ["apiVersion", "kind", "id", "version", "name", "server", "type", "logicalType", "property", "value"]
)
NESTED = {"property", "item"}
GIVEN = {"from": "orders.id", "to": "people.id", "sftp location": "sftp://host/path"}
"""Values of fields whose form the schemas say, and the grammar does not."""
ONE_OF_MANY = frozenset(
    ["mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
     "mustBeBetween", "mustNotBeBetween"]
)  # fmt: skip
"""A rule has one operator, which the schema says and the grammar does not."""
JUDGES = {"ODCS": ("datacontract", "odcs-3.2.0.schema.json"), "ODPS": ("dataproduct", "odps-1.1.0.schema.json")}
OLDER = [(ODCS, (3, 0), "odcs-3.0.2"), (ODCS, (3, 1), "odcs-3.1.0"), (ODPS, (1, 0), "odps-1.0.0")]
REFERENCES = frozenset({"from", "to"})
"""Of relationships: the schema says what a reference looks like, and that both are one or many; the grammar not."""
WRONG = ({"a": "mapping"}, ["a list"], True, 7, "some text", None)


def specimens(grammar: Grammar, shape: str, above: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A value with every field of a shape for each of its variants; small ones for those within their own kind."""
    if shape in NESTED and NESTED & {*above}:
        return [{"name": "inner", "logicalType": "string"}]
    chooser, variants = grammar.variants.get(shape, ("", {"": ""}))
    return [_specimen(grammar, shape, {chooser: chosen} if chosen else {}, above) for chosen in variants]


def _specimen(grammar: Grammar, shape: str, chosen: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = dict(chosen)
    chooser = grammar.variants.get(shape, ("",))[0]
    for member in grammar.members(shape, chosen).values():
        if member.name in found or member.name == chooser or member.name in ONE_OF_MANY:
            continue
        given = GIVEN.get(f"{found.get(chooser)} {member.name}") or GIVEN.get(member.name)
        found[member.name] = given or _value(grammar, member.kinds[-1], (*above, shape))
    return found


def _value(grammar: Grammar, kind: str, above: tuple[str, ...]) -> Any:
    if kind.startswith("["):
        inner = kind[1:-1]
        return specimens(grammar, inner, above) if inner in grammar.shapes else [_value(grammar, inner, above)]
    if kind.startswith("="):
        return next(iter(words(kind)))
    return specimens(grammar, kind, above)[0] if kind in grammar.shapes else VALUES[kind]


def everything(grammar: Grammar) -> dict[str, Any]:
    """A document with all of a grammar, in its newest version."""
    return {**specimens(grammar, grammar.root)[0], "apiVersion": shown(grammar.newest)}


def changes(value: Any, place: Place = ()) -> Iterator[tuple[str, Place, Any]]:
    """(what, place, new value) of each change: a field more, a field less, a value of another kind."""
    if isinstance(value, dict):
        yield "more", (*place, "zzz"), "unknown"
        for key, inner in value.items():
            if place[-1:] == ("value",) and place[-2:-1] != ("map",):
                return
            yield "less", (*place, key), None
            yield from (("other", (*place, key), wrong) for wrong in WRONG if type(wrong) is not type(inner))
            yield from changes(inner, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from changes(item, (*place, index))


def changed(data: dict[str, Any], change: tuple[str, Place, Any]) -> dict[str, Any]:
    what, place, value = change
    data = copy.deepcopy(data)
    around: Any = data
    for step in place[:-1]:
        around = around[step]
    if what == "less":
        del around[place[-1]]
    else:
        around[place[-1]] = value
    return data


def small(value: Any, place: Place) -> Any:
    """`value` with what leads to `place`, what names its kind there, and all beside its end."""
    if isinstance(value, list):
        return [small(value[int(place[0])], place[1:])]
    if len(place) < 2 or not isinstance(value, dict):
        return value
    kept = {key: inner for key, inner in value.items() if key in NAMING}
    return kept | {place[0]: small(value[place[0]], place[1:])}


def first(place: Place) -> Place:
    """The place in a document where each list leads to it by its only item."""
    return tuple(0 if isinstance(step, int) else step for step in place)


def distinct(found: Iterable[tuple[str, Place, Any]]) -> list[tuple[str, Place, Any]]:
    """One change of each kind to each field: those that stand everywhere, as custom properties do, once."""
    return list({(what, place[-3:], type(value)): (what, place, value) for what, place, value in found}.values())


def verdicts(
    linters: Linters, grammar: Grammar, documents: list[dict[str, Any]], older: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The newest schema, or the `older` one, and what it says of each document."""
    module, schema = JUDGES[grammar.name]
    schema = f"{older}.schema.json" if older else schema
    python = (linters.datacontract if module == "datacontract" else linters.dataproduct) / "python"
    done = subprocess.run(
        [python, Path(__file__).parent / "verdicts.py", module, schema],
        input="\n".join(map(json.dumps, documents)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, *rest = done.stdout.splitlines()
    return json.loads(first), rest


def ours(grammar: Grammar, data: dict[str, Any]) -> list[str]:
    return [f"{finding.code} {finding.message}" for finding in check_document(Document("x", data, {}), grammar)]


def fields(schema: Any) -> Iterator[str]:
    """The names of all fields in a JSON Schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else ()
        for inner in schema.values():
            yield from fields(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from fields(inner)


def every_field(grammar: Grammar, shape: str, version: Version) -> Iterator[str]:
    """The names of a shape's fields in a version, whatever its variant; none where that version left it open."""
    if not grammar.is_open(shape, version):
        yield from (member.name for member in members_of(grammar, shape, version))


def members_of(grammar: Grammar, shape: str, version: Version) -> Iterator[Member]:
    """The fields of all variants of a shape that a version has."""
    chooser, variants = grammar.variants.get(shape, ("", {"": ""}))
    for chosen in variants:
        members = grammar.members(shape, {chooser: chosen})
        since = words(members[chooser].kinds[0]).get(chosen, (0, 0)) if chooser else (0, 0)
        if since <= version:
            yield from (member for member in members.values() if member.since <= version)


@pytest.mark.slow
@pytest.mark.parametrize("grammar", [ODCS, ODPS], ids=lambda grammar: grammar.name)
def test_a_changed_document_is_valid_to_both_or_to_neither(linters: Linters, grammar: Grammar) -> None:
    whole = everything(grammar)
    tried = distinct(changes(whole))
    documents = [changed(small(whole, place), (what, first(place), value)) for what, place, value in tried]
    schema, told = verdicts(linters, grammar, [whole, *documents])
    assert told[0] == "ok"
    assert len(tried) > 500
    assert (
        set(fields(schema)) - {name for shape in grammar.shapes for name in every_field(grammar, shape, (9, 9))}
        == set()
    )
    differ = [
        (change, found, verdict)
        for change, document, verdict in zip(tried, documents, told[1:], strict=True)
        if change[1][-1] not in REFERENCES and bool(found := ours(grammar, document)) != (verdict != "ok")
    ]
    assert differ == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grammar", "version", "schema"), OLDER, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_field_is_as_old_as_the_schemas_say(
    linters: Linters, grammar: Grammar, version: Version, schema: str
) -> None:
    """By its name: one that a version has nowhere is newer than that."""
    old, _ = verdicts(linters, grammar, [], schema)
    reached = reachable(grammar, version)
    known = {name for shape in reached for name in every_field(grammar, shape, version)}
    assert known - set(fields(old)) == set()


def reachable(grammar: Grammar, version: Version) -> set[str]:
    """The shapes that a document of a version can hold."""
    found, waiting = set[str](), [grammar.root]
    while waiting:
        shape = waiting.pop()
        if shape in found or shape not in grammar.shapes:
            continue
        found.add(shape)
        waiting += [kind.strip("[]") for member in members_of(grammar, shape, version) for kind in member.kinds]
    return found
