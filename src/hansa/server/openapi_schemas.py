"""The schemas of what the API takes and answers, in one registry: JSON Schema made from the types themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from hansa.server.problems import MEDIA, Problem

REFERENCE: Final = "#/components/schemas/{name}"
PROBLEM: Final[dict[str, Any]] = {
    "content": {MEDIA: {"schema": {"$ref": REFERENCE.format(name=Problem.__name__)}}},
}
"""The content of an answer that is a problem document."""


def parameter_name(noun: str, name: str) -> str:
    """What a parameter is called among the components."""
    return f"{noun}.{name}"


class Registry:
    """Schemas by name, and the schema of each type. Types of one name get longer names, so that none is mistaken for
    another. What an answer has is always there, so all its properties are required."""

    def __init__(self, taken: Iterable[Any], answered: Iterable[Any]) -> None:
        taken, answered = list(dict.fromkeys(taken)), list(dict.fromkeys(answered))
        made, self.components = msgspec.json.schema_components([*taken, *answered], ref_template=REFERENCE)
        self._schemas = dict(zip([*taken, *answered], made, strict=True))
        always = {kind.__name__ for kind in _classes(answered)} - {kind.__name__ for kind in _classes(taken)}
        for name, schema in self.components.items():
            if "description" in schema:
                schema["description"] = " ".join(schema["description"].split())
            if name in always:
                schema["required"] = list(schema["properties"])

    def schema(self, kind: Any) -> dict[str, Any]:
        """The schema of a type; a list as the API answers it where it is one."""
        return dict(self._schemas[kind])

    def properties(self, kind: type[msgspec.Struct]) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """(name, schema, required) of each field of a struct."""
        own = self.components[self._schemas[kind]["$ref"].rpartition("/")[2]]
        for name, schema in own["properties"].items():
            yield name, schema, name in own.get("required", ())


def _classes(kinds: Iterable[Any]) -> Iterator[type]:
    """The structs and dataclasses that are whole in JSON, within the types at any depth."""
    waiting: list[Any] = list(inspect.multi_type_info(kinds))
    seen: set[type] = set()
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType | inspect.DataclassType):
            if info.cls not in seen:
                seen.add(info.cls)
                waiting += [field.type for field in info.fields]
                if _is_whole(info.cls):
                    yield info.cls
        elif isinstance(info, inspect.Type):
            parts = [getattr(info, name) for name in info.__struct_fields__]
            waiting += [part for part in parts if isinstance(part, inspect.Type)]
            waiting += [inner for part in parts if isinstance(part, tuple) for inner in part]


def _is_whole(kind: type) -> bool:
    """True where every field is in the JSON of every value."""
    if dataclasses.is_dataclass(kind):
        return True
    config: Any = getattr(kind, "__struct_config__", None)
    return not config.omit_defaults and not any(
        field.default is msgspec.UNSET for field in msgspec.structs.fields(kind)
    )


def reached(schemas: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The schemas of those names, and all that they refer to."""
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = schemas[name]
            waiting += _references(schemas[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target.rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
