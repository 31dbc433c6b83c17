"""OpenAPI 3.1 of a Hansa: the deployed routes, made from the types in their signatures, and the API beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hansa.model.product import HttpTrigger, ParameterSpec, ProductState
from hansa.runtime.live import LiveProcess
from hansa.server import openapi_api
from hansa.server.api.base import Operation
from hansa.server.openapi_api import PROBLEM
from hansa.triggers.routes import Route

_CONTENT: Final = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain",
    "bytes": "application/octet-stream",
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["title", "status", "detail", "code", "trace_id", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "code", "message"],
                "properties": {name: {"type": "string"} for name in ("path", "code", "message")},
            },
        },
    },
}


def document(routes: Iterable[Route], version: str, operations: Iterable[Operation] = ()) -> dict[str, Any]:
    """The whole document. Schemas of messages keep their names; those of two products never collide."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for route in sorted(routes, key=lambda r: (r.path, r.method)):
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    openapi_api.add(operations, paths, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hansa", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    trigger = route.trigger
    live = route.starts[0][0]
    found: dict[str, Any] = {
        "operationId": f"{live.product.id}.{live.spec.name}.{route.method.lower()}".replace(".", "_"),
        "tags": [route.product],
        "summary": live.spec.description.partition("\n")[0] or live.spec.name,
        "parameters": _parameters(route),
        "responses": _responses(trigger, route.product, schemas),
        "security": [] if trigger.public else [{"token": []}],
    }
    if live.product.state is ProductState.DEPRECATED:
        found["deprecated"] = True
    if trigger.body != "none":
        schema = _schema(trigger.body_schema, route.product, schemas)
        found["requestBody"] = {
            "required": _is_needed(trigger),
            "content": {_CONTENT[trigger.body]: {"schema": schema}},
        }
    return found


def _is_needed(trigger: HttpTrigger) -> bool:
    """A body that may be anything, or nothing, may be left out."""
    schema = trigger.body_schema or {}
    return trigger.body != "json" or (bool(schema) and {"type": "null"} not in schema.get("anyOf", ()))


def _parameters(route: Route) -> list[dict[str, Any]]:
    named: dict[tuple[str, str], ParameterSpec] = {}
    for live, _ in route.starts:
        for parameter in _own(live):
            named.setdefault((parameter.source, parameter.name), parameter)
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    found = [
        {"name": p.name, "in": p.source, "required": p.required or p.source == "path", "schema": _inline(p.schema)}
        for p in named.values()
        if p.source == "query" or p.name in in_path
    ]
    told = {p["name"] for p in found if p["in"] == "path"}
    return found + [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path
        if name not in told
    ]


def _own(live: LiveProcess) -> list[ParameterSpec]:
    return [p for step in live.spec.steps for p in step.parameters if p.source in ("path", "query")]


def _responses(trigger: HttpTrigger, product: str, schemas: dict[str, Any]) -> dict[str, Any]:
    accepted = {"description": "Accepted; the result is at /runs/{run}/result"}
    found: dict[str, Any] = {"202": accepted}
    if trigger.mode == "sync":
        schema = {} if trigger.encapsulated else _schema(trigger.result_schema, product, schemas)
        found["200"] = {"description": "The result", "content": {"application/json": {"schema": schema}}}
    found["2XX"] = {"description": "What the aggregator replies with that status"}
    for status, what in (
        ("401", "No token"),
        ("403", "Not allowed"),
        ("422", "The input does not fit"),
        ("500", "The run failed"),
    ):
        found[status] = {"description": what, **PROBLEM}
    found["default"] = {"description": "A problem", **PROBLEM}
    return _encapsulated(found) if trigger.encapsulated else found


def _encapsulated(responses: dict[str, Any]) -> dict[str, Any]:
    """An encapsulated answer tells in its envelope what went wrong in the run."""
    envelope: dict[str, Any] = {"application/json": {"schema": {}}}
    return {status: {**told, "content": {**told.get("content", {}), **envelope}} for status, told in responses.items()}


def _schema(schema: dict[str, Any] | None, product: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions moved to the components, under the product's name."""
    if schema is None:
        return {}
    prefix = product.replace(".", "__") + "_"
    for name, definition in schema.get("$defs", {}).items():
        schemas[prefix + name] = _moved(definition, prefix)
    moved: dict[str, Any] = _moved({key: value for key, value in schema.items() if key != "$defs"}, prefix)
    return moved


def _moved(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{prefix}{inner.rpartition('/')[2]}" if key == "$ref" else _moved(inner, prefix)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_moved(inner, prefix) for inner in value]
    return value


def _inline(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A parameter's schema; definitions within it stay where they are."""
    return schema or {}
