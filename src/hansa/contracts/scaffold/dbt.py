"""Fields from a dbt manifest (`target/manifest.json`): the columns that a model documents, with their types, the tests
and constraints that make them required, unique keys, and accepted values."""

from __future__ import annotations

from typing import Any

from hansa.contracts.odcs import type_of_physical
from hansa.contracts.scaffold.draft import Draft, Trail, unreadable
from hansa.model.product import FieldSpec


def read(manifest: Any, name: str | None = None) -> Draft:
    """The draft of a model or source; `name` is needed where the manifest has several.

    Raises `AuthorError("source.unreadable")` where there is no such model, or it documents no columns.
    """
    nodes = {**manifest.get("nodes", {}), **manifest.get("sources", {})} if isinstance(manifest, dict) else {}
    models = {
        node["name"]: (key, node)
        for key, node in nodes.items()
        if node.get("resource_type") in ("model", "seed", "snapshot", "source")
    }
    if name is None and len(models) == 1:
        name = next(iter(models))
    if name is None or name not in models:
        raise unreadable(str(name or "The manifest"), "there is no such model", f"Name one of {', '.join(models)}.")
    key, node = models[name]
    if not node.get("columns"):
        raise unreadable(name, "the model documents no columns", "List them in the model's YAML, with data_type.")
    trail = Trail()
    tests = [one for one in nodes.values() if one.get("resource_type") == "test" and one.get("attached_node") == key]
    fields = tuple(_column(column, tests, node, trail.at(column["name"])) for column in node["columns"].values())
    return Draft(name, fields, node.get("description") or "", tuple(trail.notes))


def _column(column: dict[str, Any], tests: list[dict[str, Any]], node: dict[str, Any], trail: Trail) -> FieldSpec:
    name = column["name"]
    own = {
        one["test_metadata"]["name"]: one["test_metadata"].get("kwargs", {})
        for one in tests
        if one.get("column_name") == name and one.get("test_metadata")
    }
    constraints = {one["type"] for one in column.get("constraints") or ()}
    keys = [
        column for one in node.get("constraints") or () if one["type"] == "primary_key" for column in one["columns"]
    ]
    position = keys.index(name) + 1 if name in keys else (1 if "primary_key" in constraints else None)
    physical = column.get("data_type") or ""
    kind = type_of_physical(physical) if physical else "any"
    options: dict[str, Any] = {"physicalType": physical} if physical else {}
    if kind == "any":
        trail.notes.append(f"{trail.path}: {physical or 'it has no data_type'}; its type is left open")
    if "accepted_values" in own and kind == "string":
        options["enum"] = [str(value) for value in own["accepted_values"].get("values", [])]
    is_required = bool(constraints & {"not_null", "primary_key"}) or "not_null" in own or position is not None
    description = " ".join((column.get("description") or "").split())
    return FieldSpec(name, kind, is_required, description, primary_key_position=position, options=options)
