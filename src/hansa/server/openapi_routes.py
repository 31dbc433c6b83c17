"""OpenAPI of the routes of a product, made from the types in the signatures of its logic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hansa.model.product import HttpTrigger, ParameterSpec, ProcessSpec, ProductSpec
from hansa.server.forms import Waiting
from hansa.server.notice import Notice
from hansa.server.openapi_schemas import PROBLEM, REFERENCE

_CONTENT: Final = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain",
    "bytes": "application/octet-stream",
}
_REFUSALS: Final = {
    "401": "No token",
    "403": "Not allowed",
    "422": "The input does not fit",
    "500": "The run failed",
}
Starts = list[tuple[ProcessSpec, HttpTrigger]]


def described(spec: ProductSpec, notice: Notice, *, public_only: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """The paths and the schemas of the routes. Schemas bear the product's id, so that those of two never collide."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for (path, method), starts in sorted(_routes(spec).items()):
        if starts[0][1].public or not public_only:
            paths.setdefault(path, {})[method.lower()] = {
                **_operation(spec.id, path, starts, schemas),
                **notice.words(),
            }
    return paths, schemas


def _routes(spec: ProductSpec) -> dict[tuple[str, str], Starts]:
    """Processes of one product may share a route; the first one's trigger says how it answers."""
    found: dict[tuple[str, str], Starts] = {}
    for process in spec.processes:
        for trigger in process.triggers:
            if isinstance(trigger, HttpTrigger):
                found.setdefault((trigger.path, trigger.method), []).append((process, trigger))
    return found


def _operation(product: str, path: str, starts: Starts, schemas: dict[str, Any]) -> dict[str, Any]:
    process, trigger = starts[0]
    summary, _, rest = process.description.partition("\n")
    found: dict[str, Any] = {
        "operationId": f"{product}.{process.name}.{trigger.method.lower()}".replace(".", "_"),
        "tags": [product],
        "summary": summary or process.name,
        **({"description": rest.strip()} if rest.strip() else {}),
        "parameters": _parameters(path, starts),
        "responses": _responses(trigger, product, schemas),
        "security": [] if trigger.public else [{"token": []}],
    }
    if trigger.body != "none":
        schema = _schema(trigger.body_schema, product, schemas)
        content = {_CONTENT[trigger.body]: {"schema": schema}}
        found["requestBody"] = {"required": _is_needed(trigger), "content": content}
    return found


def _is_needed(trigger: HttpTrigger) -> bool:
    """A body that may be anything, or nothing, may be left out."""
    schema = trigger.body_schema or {}
    return trigger.body != "json" or (bool(schema) and {"type": "null"} not in schema.get("anyOf", ()))


def _parameters(path: str, starts: Starts) -> list[dict[str, Any]]:
    named: dict[tuple[str, str], ParameterSpec] = {}
    for process, _ in starts:
        for parameter in _own(process):
            named.setdefault((parameter.source, parameter.name), parameter)
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    found = [
        {"name": p.name, "in": p.source, "required": p.required or p.source == "path", "schema": p.schema or {}}
        for p in named.values()
        if p.source == "query" or p.name in in_path
    ]
    told = {p["name"] for p in found if p["in"] == "path"}
    return found + [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path
        if name not in told
    ]


def _own(process: ProcessSpec) -> Iterator[ParameterSpec]:
    return (p for step in process.steps for p in step.parameters if p.source in ("path", "query"))


def _responses(trigger: HttpTrigger, product: str, schemas: dict[str, Any]) -> dict[str, Any]:
    waiting = {"application/json": {"schema": {"$ref": REFERENCE.format(name=Waiting.__name__)}}}
    found: dict[str, Any] = {"202": {"description": "Accepted; `result` says where to ask", "content": waiting}}
    if trigger.mode == "sync":
        schema = {} if trigger.encapsulated else _schema(trigger.result_schema, product, schemas)
        found["200"] = {"description": "The result", "content": {"application/json": {"schema": schema}}}
    found["2XX"] = {"description": "What the aggregator replies with that status"}
    found |= {status: {"description": what, **PROBLEM} for status, what in _REFUSALS.items()}
    found["default"] = {"description": "A problem", **PROBLEM}
    return _encapsulated(found) if trigger.encapsulated else found


def _encapsulated(responses: dict[str, Any]) -> dict[str, Any]:
    """An encapsulated answer tells in its envelope what went wrong in the run."""
    envelope: dict[str, Any] = {"application/json": {"schema": {}}}
    return {status: {**told, "content": {**told.get("content", {}), **envelope}} for status, told in responses.items()}


def _schema(schema: dict[str, Any] | None, product: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions moved to the components, under the product's id."""
    if schema is None:
        return {}
    prefix = f"{product}."
    for name, definition in schema.get("$defs", {}).items():
        schemas[prefix + name] = _moved(definition, prefix)
    moved: dict[str, Any] = _moved({key: value for key, value in schema.items() if key != "$defs"}, prefix)
    return moved


def _moved(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {
            key: REFERENCE.format(name=prefix + inner.rpartition("/")[2]) if key == "$ref" else _moved(inner, prefix)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_moved(inner, prefix) for inner in value]
    return value
