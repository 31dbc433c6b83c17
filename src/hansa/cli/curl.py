"""A curl that works, for a route of a product: with its header, and a body that fits the route's schema. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

_DEPTH_MAX: Final = 8
_SAMPLES: Final[dict[str, Any]] = {"integer": 1, "number": 1.5, "boolean": True, "string": "text", "null": None}
_FORMATS: Final = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00",
    "uuid": "0198c0de-0000-7000-8000-000000000000",
}
_KINDS: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain"}


def curl(url: str, spec: Mapping[str, Any], token: str | None) -> str | None:
    """The command that calls the product's easiest route, the one with the fewest names to fill in; None where it has
    none. `spec` is the product's as the API tells it. A `token` of the form `$NAME` is left for the shell to put in."""
    routes = [(process, trigger) for process in spec["processes"] for trigger in process["triggers"]]
    routes = [(process, trigger) for process, trigger in routes if trigger["kind"] == "http"]
    if not routes:
        return None
    process, trigger = min(routes, key=lambda route: route[1]["path"].count("{"))
    words = ["curl", *_method(trigger), *_authorization(trigger, token), *_body(trigger)]
    return " ".join([*words, shlex.quote(url + _path(trigger) + _query(process))])


def example(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """A value that fits a JSON Schema as msgspec writes it: required fields only, lists with one item."""
    definitions = definitions if definitions is not None else schema.get("$defs", {})
    if depth > _DEPTH_MAX:
        return None
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    if options := schema.get("anyOf"):
        return example(_first_real(options), definitions, depth + 1)
    for told in ("const", "default"):
        if told in schema:
            return schema[told]
    if choices := schema.get("enum") or schema.get("examples"):
        return choices[0]
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        return {name: example(fields.get(name, {}), definitions, depth + 1) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return [example(schema["items"], definitions, depth + 1)] if isinstance(schema.get("items"), dict) else []
    return _scalar(schema)


def _scalar(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "string")
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return min(low, schema["maximum"]) if "maximum" in schema else low
    if kind == "string" and "format" in schema:
        return _FORMATS.get(schema["format"], _SAMPLES["string"])
    return _SAMPLES.get(kind)


def _first_real(options: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((option for option in options if option.get("type") != "null"), options[0])


def _method(trigger: Mapping[str, Any]) -> list[str]:
    return [] if trigger["method"] == "GET" else ["-X", trigger["method"]]


def _authorization(trigger: Mapping[str, Any], token: str | None) -> list[str]:
    if trigger["public"] or token is None:
        return []
    header = f"Authorization: Bearer {token}"
    return ["-H", f'"{header}"' if token.startswith("$") else shlex.quote(header)]


def _body(trigger: Mapping[str, Any]) -> list[str]:
    kind = trigger["body"]
    if kind == "none":
        return []
    schema = trigger.get("body_schema")
    value = example(schema) if schema else {}
    if kind == "json":
        data = msgspec.json.encode(value).decode()
    elif kind == "form" and isinstance(value, dict):
        data = "&".join(f"{name}={item}" for name, item in value.items())
    else:
        data = "text"
    return ["-H", shlex.quote(f"Content-Type: {_KINDS.get(kind, 'application/octet-stream')}"), "-d", shlex.quote(data)]


def _path(trigger: Mapping[str, Any]) -> str:
    path: str = trigger["path"]
    return path.replace("{", "").replace("}", "")


def _query(process: Mapping[str, Any]) -> str:
    """The query parameters that the process cannot do without."""
    named = {
        parameter["name"]: example(parameter["schema"] or {})
        for step in process["steps"]
        for parameter in step["parameters"]
        if parameter["source"] == "query" and parameter["required"]
    }
    return "?" + "&".join(f"{name}={value}" for name, value in named.items()) if named else ""
