"""The table of deployed routes: which processes a method and a path start.

Literal segments win over parameters. Two processes of one product may share a route; across products a route that is
taken is refused at plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from hansa.errors import PlanError
from hansa.model.product import HttpTrigger, ProductSpec
from hansa.runtime.live import LiveProcess

_PARAMETER: Final = "\0"
"""Stands for any segment; no path holds it."""


@dataclass(slots=True, eq=False)
class Route:
    """One method and path. `starts` holds the processes with their triggers, in the order of the product's file."""

    method: str
    path: str
    product: str
    starts: list[tuple[LiveProcess, HttpTrigger]] = field(default_factory=list)

    @property
    def trigger(self) -> HttpTrigger:
        """The trigger that says how to answer: the first one's."""
        return self.starts[0][1]


class _Node:
    __slots__ = ("children", "names", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.routes: dict[str, Route] = {}
        self.names: dict[str, list[list[str]]] = {}


class Routes:
    """A table that never changes; a deployment makes a new one."""

    def __init__(self, products: Iterable[tuple[ProductSpec, dict[str, LiveProcess]]]) -> None:
        self._literal: dict[str, dict[str, Route]] = {}
        self._root = _Node()
        self.routes: list[Route] = []
        for spec, processes in products:
            for process in spec.processes:
                for trigger in process.triggers:
                    if isinstance(trigger, HttpTrigger):
                        self._add(spec.id, trigger, processes[process.name])

    def _add(self, product: str, trigger: HttpTrigger, live: LiveProcess) -> None:
        segments = trigger.path.strip("/").split("/")
        node = self._root
        names = []
        for segment in segments:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                segment = _PARAMETER
            node = node.children.setdefault(segment, _Node())
        route = node.routes.get(trigger.method)
        if route is None:
            route = node.routes[trigger.method] = Route(trigger.method, trigger.path, product)
            node.names[trigger.method] = []
            self.routes.append(route)
        route.starts.append((live, trigger))
        node.names[trigger.method].append(names)
        if not names:
            self._literal.setdefault(trigger.path, {})[trigger.method] = route

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its path parameters, still percent-decoded as they came."""
        methods = self._literal.get(path)
        if methods is not None and method in methods:
            return methods[method], {}
        found = _find(self._root, path.strip("/").split("/"), 0, [], method)
        if found is None:
            return None
        node, values = found
        named = [pair for names in node.names[method] for pair in zip(names, values, strict=True)]
        return node.routes[method], dict(named)

    def methods(self, path: str) -> list[str]:
        """The methods that a path has; empty where there is no such path."""
        found: set[str] = set()
        _collect(self._root, path.strip("/").split("/"), 0, found)
        return sorted(found)


def _find(node: _Node, segments: list[str], at: int, values: list[str], method: str) -> tuple[_Node, list[str]] | None:
    if at == len(segments):
        return (node, values) if method in node.routes else None
    literal = node.children.get(segments[at])
    if literal is not None:
        found = _find(literal, segments, at + 1, values, method)
        if found is not None:
            return found
    parameter = node.children.get(_PARAMETER)
    if parameter is None or not segments[at]:
        return None
    return _find(parameter, segments, at + 1, [*values, segments[at]], method)


def _collect(node: _Node, segments: list[str], at: int, found: set[str]) -> None:
    if at == len(segments):
        found.update(node.routes)
        return
    for segment in (segments[at], _PARAMETER):
        child = node.children.get(segment) if segments[at] else None
        if child is not None:
            _collect(child, segments, at + 1, found)


def shape(method: str, path: str) -> tuple[str, str]:
    """What makes two routes the same: names of parameters do not count."""
    return method, "/".join(_PARAMETER if part.startswith("{") else part for part in path.strip("/").split("/"))


def check_taken(spec: ProductSpec, others: Iterable[ProductSpec]) -> None:
    """Raises `PlanError("route.taken")` where another product has a route of `spec`."""
    taken = {shape(m, p): other.id for other in others if other.id != spec.id for m, p, _ in http_triggers(other)}
    for method, path, process in http_triggers(spec):
        owner = taken.get(shape(method, path))
        if owner is not None:
            finding: dict[str, Any] = {
                "code": "route.taken", "message": f"{method} {path} belongs to {owner}", "file": process.file,
                "line": process.line,
                "hint": f"Choose another path; paths under /{spec.id.replace('.', '/')} are this product's own.",
            }  # fmt: skip
            raise PlanError("route.taken", finding["message"], hint=finding["hint"], details={"findings": [finding]})


def http_triggers(spec: ProductSpec) -> list[tuple[str, str, Any]]:
    """(method, path, process) of all routes of a product."""
    return [(t.method, t.path, p) for p in spec.processes for t in p.triggers if isinstance(t, HttpTrigger)]
