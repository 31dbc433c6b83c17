"""OpenAPI 3.1 of the API itself, made from what its operations declare."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from hansa.access.decide import SCOPE_OF
from hansa.server.api.base import Operation
from hansa.server.api.forms import IN_PATH
from hansa.server.problems import MEDIA

_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_REFERENCE: Final = "#/components/schemas/{name}"
PROBLEM: Final[dict[str, Any]] = {
    "content": {MEDIA: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
}


def add(operations: Iterable[Operation], paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Adds the operations to the paths and the schemas of a document."""
    for operation in operations:
        paths.setdefault(operation.template, {})[operation.method.lower()] = _described(operation, schemas)


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{operation.group}.{operation.handler.__name__}",
        "tags": [operation.group],
        "summary": " ".join((inspect.getdoc(operation.handler) or "").split()),
        "description": f"Asks for `{operation.action}`; the token needs the scope `{SCOPE_OF[operation.action]}`.",
        "parameters": [*_in_path(operation.path), *_in_query(operation.query, schemas)],
        "responses": {
            str(operation.status): {"description": "Done", "content": {media: {} for media in operation.answers}},
            "2XX": {"description": "Accepted, or what a run answered", "content": {m: {} for m in operation.answers}},
            "default": {"description": "A problem", **PROBLEM},
        },
        "security": [{"token": []}],
    }
    if operation.content is not None:
        schema = {} if "json" in operation.content else {"type": "string", "contentMediaType": operation.content}
        found["requestBody"] = {"content": {operation.content: {"schema": schema}}}
    elif operation.body is not None:
        schema = _schema(operation.body, schemas)
        is_needed = bool(schemas[operation.body.__name__].get("required"))
        found["requestBody"] = {"required": is_needed, "content": {"application/json": {"schema": schema}}}
    return found


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": IN_PATH[name]}


def _in_query(kind: Any, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if kind is None:
        return
    if not issubclass(kind, msgspec.Struct):
        free = {"type": "object", "additionalProperties": {"type": "string"}}
        yield {"name": "fields", "in": "query", "style": "form", "explode": True, "schema": free}
        return
    own = msgspec.json.schema_components([kind], ref_template=_REFERENCE)[1][kind.__name__]
    _schema(kind, schemas)
    del schemas[kind.__name__]
    for name, schema in own["properties"].items():
        yield {"name": name, "in": "query", "required": name in own.get("required", ()), "schema": _given(schema)}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: what may be None is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(kinds) == 1:
        return {**rest, **kinds[0]}
    return {**rest, **({"anyOf": kinds} if kinds else {})}


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    schemas.update(components)
    return dict(schema)
