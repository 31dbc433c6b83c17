"""OpenAPI 3.1 of the API itself, made from what its operations declare."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_origin

import msgspec

from hansa.access.decide import SCOPE_OF
from hansa.server.forms import IN_PATH, ServerSentEvent, Waiting
from hansa.server.openapi_schemas import PROBLEM, Registry, parameter_name, reached
from hansa.server.operation import JSON, Operation
from hansa.server.parts import Part
from hansa.server.port_forms import LookedUp, RecordEvent, RecordItem, RecordPage, RecordsQuery
from hansa.server.problems import Problem

_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
SHARED: Final = {"records": RecordsQuery}
"""Queries whose parameters are components, because operations of products refer to them, too."""
_REFUSALS: Final = {"401": "No token, or one that is not good", "403": "The token may not do this"}


def part_of(operations: Iterable[Operation]) -> Part:
    """The paths of the operations, and the components that they and the documents of products refer to."""
    known = list(operations)
    queries = [o.query for o in known if o.query is not None and _is_struct(o.query)]
    answered = [kind for o in known for kind in (*o.answers.values(), *o.also.values())]
    registry = Registry(
        [*queries, *SHARED.values(), *(o.body for o in known if o.body is not None)],
        [Problem, Waiting, RecordEvent, *answered],
    )
    paths: dict[str, Any] = {}
    for operation in known:
        paths.setdefault(operation.template, {})[operation.method.lower()] = _described(operation, registry)
    asked = {kind.__name__ for kind in (*queries, *SHARED.values())}
    schemas = {name: schema for name, schema in registry.components.items() if name not in asked}
    tags = {o.group: {"name": o.group, "description": _heading(o)} for o in known}
    return {"paths": paths, "schemas": schemas, "parameters": _shared(registry), "tags": tags}


def components_for_products(api: Part) -> Part:
    """What the document of a product needs of the API's part: no paths, and no schema that only these refer to."""
    names = [
        kind.__name__ for kind in (Problem, Waiting, RecordPage, RecordItem, RecordEvent, LookedUp, ServerSentEvent)
    ]
    return {"schemas": reached(api["schemas"], names), "parameters": api["parameters"]}


def _heading(operation: Operation) -> str:
    """What a group of operations is about: the docstring of its module."""
    return " ".join((inspect.getdoc(inspect.getmodule(operation.handler)) or "").split())


def _shared(registry: Registry) -> dict[str, Any]:
    """The parameters that many operations take: those of reading a port."""
    return {
        parameter_name(noun, name): {"name": name, "in": "query", "required": required, "schema": _given(schema)}
        for noun, kind in SHARED.items()
        for name, schema, required in registry.properties(kind)
    }


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _described(operation: Operation, registry: Registry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{operation.group}.{operation.handler.__name__}",
        "tags": [operation.group],
        "summary": " ".join((inspect.getdoc(operation.handler) or "").split()),
        "description": f"Asks for `{operation.action}`; the token needs the scope `{SCOPE_OF[operation.action]}`.",
        "parameters": [*_in_path(operation.path), *_in_query(operation.query, registry)],
        "responses": _responses(operation, registry),
        "security": [{"token": []}],
    }
    if operation.content is not None:
        schema = {} if "json" in operation.content else {"type": "string", "contentMediaType": operation.content}
        found["requestBody"] = {"content": {operation.content: {"schema": schema}}}
    elif operation.body is not None:
        is_needed = any(required for _, _, required in registry.properties(operation.body))
        content = {JSON: {"schema": registry.schema(operation.body)}}
        found["requestBody"] = {"required": is_needed, "content": content}
    return found


def _responses(operation: Operation, registry: Registry) -> dict[str, Any]:
    found = {str(operation.status): _response("Done", operation.answers, registry)}
    for status, kind in operation.also.items():
        media = operation.answers if status.endswith("XX") else {JSON: kind}
        found[status] = _response(_ALSO.get(status, "Done otherwise"), dict.fromkeys(media, kind), registry)
    refused = {status: {"description": text, **PROBLEM} for status, text in _REFUSALS.items()}
    return {**found, **refused, "default": {"description": "A problem", **PROBLEM}}


_ALSO: Final = {"202": "Accepted; it is not done yet", "2XX": "What the run answered, with its status"}


def _response(text: str, answers: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    content = {media: {"schema": _answer(media, kind, registry)} for media, kind in answers.items()}
    return {"description": text, "content": content}


def _answer(media: str, kind: Any, registry: Registry) -> dict[str, Any]:
    schema = registry.schema(kind)
    if media == JSON and get_origin(kind) is list:
        return {"type": "object", "required": ["items"], "properties": {"items": schema}}
    return schema


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": IN_PATH[name]}


def _in_query(kind: Any, registry: Registry) -> Iterator[dict[str, Any]]:
    if kind is None:
        return
    if not _is_struct(kind):
        free = {"type": "object", "additionalProperties": {"type": "string"}}
        yield {"name": "fields", "in": "query", "style": "form", "explode": True, "schema": free}
        return
    noun = next((noun for noun, shared in SHARED.items() if shared is kind), None)
    for name, schema, required in registry.properties(kind):
        if noun is not None:
            yield {"$ref": f"#/components/parameters/{parameter_name(noun, name)}"}
            continue
        yield {"name": name, "in": "query", "required": required, "schema": _given(schema)}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: what may be None is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if len(kinds) == 1:
        return {**rest, **kinds[0]}
    return {**rest, **({"anyOf": kinds} if kinds else {})}
