"""Which fields of a port's records a process's code uses, as far as its source shows.

It never says that a field is unused where it may be used. A record is followed only where it is named: an attribute
of it is a use of that field, a test for its presence is a use of none, and everything else that can be done with it
(giving it to a function, returning it, keeping it, matching it, asking it for attributes by name) counts as a use of
all its fields. See docs/decisions/0012-fields-that-are-used.md.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from hansa.model.product import PortTrigger
from hansa.sdk.handles import functions_of
from hansa.sdk.ports import InputPort, OutputPort, Port
from hansa.sdk.process import Process, Step
from hansa.sdk.source import source_of
from hansa.sdk.triggers import Subscription

_SEES_ALL: Final = frozenset(("locals", "vars", "eval", "exec", "globals"))


class _AllUsed(Exception):
    """The code may use every field."""


def fields_used(process: Process, triggers: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """By port, the fields that the process uses. A port that it reads and that is missing here may be used with all of
    its fields. `triggers` are those that the author wrote, which know the class of their records."""
    found: dict[str, set[str] | None] = {}
    for trigger in triggers:
        if isinstance(trigger, PortTrigger):
            _merge(found, trigger.port, _subscribed(process, trigger))
    for function in _functions(process):
        for port, used in _looked_up(function):
            _merge(found, port, used)
    for step in process.steps:
        for setting in step.settings.values():
            if isinstance(setting, InputPort):
                _merge(found, setting.id, None)
    return {port: tuple(sorted(used)) for port, used in found.items() if used is not None}


def _merge(found: dict[str, set[str] | None], port: str, used: set[str] | None) -> None:
    before = found.get(port, set())
    found[port] = None if before is None or used is None else before | used


def _functions(process: Process) -> Iterator[Callable[..., Any]]:
    """Each function of the process once, with the helpers of its package that it mentions."""
    seen: set[types.CodeType] = set()
    for step in process.steps:
        for function in filter(None, (step.logic.function, step.on_error)):
            yield from functions_of(function, function.__module__.rpartition(".")[0] or function.__module__, seen)


def _subscribed(process: Process, trigger: PortTrigger) -> set[str] | None:
    """The fields of a subscription's records that are used; None may be all."""
    first = process.flow[0] if process.flow else None
    asks_again = any(
        p.source == "payload" for step in process.steps for p in (*step.parameters, *step.on_error_parameters)
    )
    if not isinstance(trigger, Subscription) or not isinstance(first, Step) or asks_again:
        return None
    used = _in_parameter(first, _names(trigger.record))
    return None if used is None else used | {name.partition(".")[0] for name in trigger.where}


def _names(record: Any) -> dict[str, str]:
    """The name of each field in the contract, by its name in Python."""
    return dict(
        zip(getattr(record, "__struct_fields__", ()), getattr(record, "__struct_encode_fields__", ()), strict=True)
    )


def _in_parameter(step: Step, names: Mapping[str, str]) -> set[str] | None:
    given = step.input
    if given.shape == "none":
        return set()
    tree = _tree(step.logic.function)
    if tree is None or given.shape not in ("one", "list"):
        return None
    start = {given.name: given.shape == "list"}
    try:
        return _Followed(tree, names).used(start)
    except _AllUsed:
        return None


def _looked_up(function: Callable[..., Any]) -> Iterator[tuple[str, set[str] | None]]:
    """(port, fields used of what was looked up) for each port that the function mentions."""
    ports = {how: port for how, port in _handles(function) if isinstance(port, InputPort | OutputPort)}
    tree = _tree(function) if ports else None
    for expression, port in ports.items():
        try:
            if tree is None:
                raise _AllUsed
            yield port.id, _Followed(tree, _names(port.record)).looked_up(expression)
        except _AllUsed:
            yield port.id, None


def _handles(function: Any) -> Iterator[tuple[str, Any]]:
    """(how the code writes it, the port): globals, closures, and names within the modules that these are."""
    code = function.__code__
    scope = {name: function.__globals__[name] for name in _all_names(code) if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        scope[name] = getattr(cell, "cell_contents", None) if cell != types.CellType() else None
    for name, value in scope.items():
        if isinstance(value, Port):
            yield name, value
        elif isinstance(value, types.ModuleType):
            for inner in _all_names(code):
                if isinstance(found := getattr(value, inner, None), Port):
                    yield f"{name}.{inner}", found


def _all_names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_all_names, inner))


def _tree(function: Callable[..., Any]) -> ast.AST | None:
    """The function's source as a tree; None where it cannot be had, or can look at its own variables."""
    try:
        tree = ast.parse(source_of(inspect.unwrap(function).__code__)).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    is_sound = isinstance(tree, ast.FunctionDef)
    sees_all = any(isinstance(node, ast.Name) and node.id in _SEES_ALL for node in ast.walk(tree))
    return tree if is_sound and not sees_all else None


class _Followed:
    """One function's tree, and what it does with records of one class."""

    def __init__(self, tree: ast.AST, names: Mapping[str, str]) -> None:
        self._tree = tree
        self._names = names
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._found: set[str] = set()

    def used(self, start: Mapping[str, bool]) -> set[str]:
        """The fields used of the records that these names stand for; True is a list of them. Raises `_AllUsed`."""
        waiting, seen = dict(start), set()
        while waiting:
            name, is_list = waiting.popitem()
            if (name, is_list) in seen:
                continue
            seen.add((name, is_list))
            for node in ast.walk(self._tree):
                if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                    waiting |= self._many(node) if is_list else self._one(node)
                elif isinstance(node, ast.Global | ast.Nonlocal) and name in node.names:
                    raise _AllUsed
        return self._found

    def looked_up(self, handle: str) -> set[str]:
        """The fields used of what is looked up with a handle, those of its key included. Raises `_AllUsed`."""
        start: dict[str, bool] = {}
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.Name | ast.Attribute) or ast.unparse(node) != handle:
                continue
            call = self._parents.get(node)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args[:1] == [node]:
                if call.func.attr == "publish":
                    continue
                if call.func.attr == "lookup":
                    self._keys(call)
                    start |= self._one(call)
                    continue
            raise _AllUsed
        return self.used(start)

    def _keys(self, call: ast.Call) -> None:
        for keyword in call.keywords:
            if keyword.arg is None:
                raise _AllUsed
            self._found.add(keyword.arg)

    def _one(self, node: ast.expr) -> dict[str, bool]:
        """Notes what is done with a record; the names that stand for it from there on."""
        parent = self._parents[node]
        match parent:
            case ast.Attribute(attr=attr, ctx=ast.Load()) if attr in self._names:
                self._found.add(self._names[attr])
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return {name: False}
            case ast.Compare(comparators=[ast.Constant(value=None)], ops=[ast.Is() | ast.IsNot()]):
                pass
            case ast.UnaryOp(op=ast.Not()):
                pass
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test) if (
                test is node
            ):
                pass
            case _:
                raise _AllUsed
        return {}

    def _many(self, node: ast.expr) -> dict[str, bool]:
        """Notes what is done with a list of records."""
        match self._parents[node]:
            case ast.For(iter=source, target=ast.Name(id=name)) if source is node:
                return {name: False}
            case ast.comprehension(iter=source, target=ast.Name(id=name)) if source is node:
                return {name: False}
            case ast.Call(func=ast.Name(id="len"), args=[_]):
                return {}
        raise _AllUsed
