"""JSON Schema texts as they are compared: references made absolute, the keywords of all drafts as in 2020-12."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urljoin

from hansa.contracts.compatibility.verdict import SchemaText
from hansa.errors import AuthorError

Json: TypeAlias = Any
"""A schema, as parsed: a mapping, or True or False."""
_MAPS: Final = frozenset(
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies", "dependentRequired"]
)
_DATA: Final = frozenset(["enum", "const", "default", "examples", "example"])
_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")
DEPTH_MAX: Final = 200
_HOST: Final = ".side.invalid/"
_SIDE: Final = re.compile(r"http://\w+\.side\.invalid/")


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything that references may lead to, by absolute URI; both schemas of a comparison stand in one."""

    roots: Mapping[str, Json]

    def resolve(self, reference: str) -> Json:
        """The schema that an absolute reference names. Raises `AuthorError("schema.reference_unknown")`."""
        base, _, fragment = reference.partition("#")
        found = self.roots.get(base)
        if fragment and not fragment.startswith("/"):
            found = self.roots.get(reference)
        for part in fragment.split("/")[1:] if fragment.startswith("/") else ():
            found = _step(found, unquote(part).replace("~1", "/").replace("~0", "~"))
        if found is None:
            shown = without_side(reference)
            raise AuthorError(
                "schema.reference_unknown", f"The schema refers to {shown!r}, which is not there",
                hint="Give the schema that it names as a reference.",
            )  # fmt: skip
        return found

    def __or__(self, other: Documents) -> Documents:
        return Documents({**self.roots, **other.roots})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A schema with all that it refers to."""

    root: Json
    documents: Documents


def load(source: SchemaText, side: str) -> Loaded:
    """The schema of a text. `side` keeps the documents of two schemas apart in one `Documents`.

    Raises `AuthorError("schema.malformed")` where a text is no JSON Schema.
    """
    roots: dict[str, Json] = {}
    for name, text in source.references.items():
        _read(text, _joined(_base(side), name), roots)
    return Loaded(_read(source.text, _base(side), roots), Documents(roots))


def _base(side: str) -> str:
    return f"http://{side}{_HOST}"


def _joined(base: str, reference: str) -> str:
    """A reference made absolute. An absolute one stands below its side's base, with one slash less behind the scheme,
    as `urljoin` leaves it when something is joined to it."""
    if reference.startswith("#"):
        return base.partition("#")[0] + reference
    if "://" in reference or reference.startswith("urn:"):
        side, host, _ = base.partition(_HOST)
        return side + host + reference.replace("://", ":/")
    return urljoin(base, reference)


def without_side(text: str) -> str:
    """A text without what tells the documents of one side from those of the other."""
    return _SIDE.sub("", text)


def _read(text: str, uri: str, roots: dict[str, Json]) -> Json:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise _malformed(str(failure)) from failure
    drops = any(draft in str(parsed.get("$schema", "")) for draft in _OLD_DRAFTS) if isinstance(parsed, dict) else False
    roots[uri] = _absolute(parsed, uri, uri, roots, drops, 0)
    return roots[uri]


def _absolute(schema: Json, base: str, uri: str, roots: dict[str, Json], drops: bool, depth: int) -> Json:
    """The schema with absolute references; what it calls by `$id` or `$anchor` is noted in `roots`.

    `drops` says that keywords beside a `$ref` are ignored, as up to draft 7.
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise _malformed(f"{json.dumps(schema)[:60]} stands where a schema is expected")
    if depth > DEPTH_MAX:
        raise _malformed(f"nested deeper than {DEPTH_MAX}")
    if isinstance(name := schema.get("$id", schema.get("id")), str) and "$ref" not in schema:
        base = _joined(base, name)
    if drops and "$ref" in schema:
        schema = {key: value for key, value in schema.items() if key in ("$ref", "$defs", "definitions")}
    found = {key: _value(key, value, (base, uri, roots, drops, depth + 1)) for key, value in schema.items()}
    if isinstance(name := schema.get("$anchor"), str):
        roots[f"{base}#{name}"] = found
    if base not in roots:
        roots[base] = found
    return found


def _value(key: str, value: Json, place: tuple[str, str, dict[str, Json], bool, int]) -> Json:
    """The value of a keyword, the schemas in it made absolute."""
    if key in ("$ref", "$dynamicRef") and isinstance(value, str):
        return _joined(place[0], value)
    if key in _DATA or isinstance(value, bool):
        return value
    if key in _MAPS and isinstance(value, dict):
        return {name: one if isinstance(one, list) else _absolute(one, *place) for name, one in value.items()}
    if isinstance(value, dict):
        return _absolute(value, *place)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return [_absolute(one, *place) for one in value]
    return value


def modern(schema: Mapping[str, Json]) -> dict[str, Json]:
    """One schema (not those within it) with the keywords of 2020-12."""
    found = dict(schema)
    for limit, excluded in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(found.get(excluded), bool) and found.pop(excluded) and limit in found:
            found[excluded] = found.pop(limit)
    if isinstance(found.get("items"), list):
        found["prefixItems"] = found.pop("items")
        found["items"] = found.pop("additionalItems", True)
    if "const" in found:
        found["enum"] = [one for one in found.get("enum", [found["const"]]) if same(one, found["const"])]
    for name, needed in found.pop("dependencies", {}).items():
        key = "dependentRequired" if isinstance(needed, list) else "dependentSchemas"
        found[key] = {**found.get(key, {}), name: needed}
    return found


def same(one: Json, other: Json) -> bool:
    """Equality of JSON values: 1 and 1.0 are the same, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _step(found: Json, part: str) -> Json:
    if isinstance(found, list):
        return found[int(part)] if part.isdigit() and int(part) < len(found) else None
    return found.get(part) if isinstance(found, dict) else None


def _malformed(why: str) -> AuthorError:
    return AuthorError("schema.malformed", f"Not a JSON Schema: {why}", hint="See json-schema.org.")
