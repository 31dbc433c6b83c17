"""The ports that a function's code mentions: lineage from source, as far as it says. Runs tell the rest."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator
from typing import Any

from hansa.sdk.logic import Logic
from hansa.sdk.ports import InputPort, OutputPort, Port


def ports_of(function: Callable[..., Any], package: str) -> tuple[set[str], set[str]]:
    """(ids it reads, ids it publishes to), following helpers within the package that it belongs to.

    An own output port in code that looks up and never publishes is read.
    """
    reads: set[str] = set()
    publishes: set[str] = set()
    for code, port in _mentions(function, package):
        names = set(_names(code))
        if isinstance(port, OutputPort) and not ("lookup" in names and "publish" not in names):
            publishes.add(port.id)
        elif isinstance(port, InputPort | OutputPort):
            reads.add(port.id)
    return reads, publishes


def functions_of(function: Callable[..., Any], package: str, seen: set[types.CodeType]) -> Iterator[Callable[..., Any]]:
    """The function and, once each, the helpers within the package that it mentions, however far away."""
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return
    seen.add(code)
    yield function
    for value in _values(function, code, package):
        if isinstance(value, Logic):
            yield from functions_of(value.function, package, seen)
        elif isinstance(value, types.FunctionType) and _within(value.__module__, package):
            yield from functions_of(value, package, seen)


def _mentions(function: Callable[..., Any], package: str) -> Iterator[tuple[types.CodeType, Port[Any]]]:
    for found in functions_of(function, package, set()):
        code = found.__code__
        yield from ((code, value) for value in _values(found, code, package) if isinstance(value, Port))


def _values(function: Any, code: types.CodeType, package: str) -> Iterator[Any]:
    """What the names in the code stand for: globals, what is inside of the package's modules, and closures."""
    names = list(_names(code))
    known = {name: function.__globals__.get(name) for name in names}
    telling = {name: value for name, value in known.items() if _is_telling(value, package)}
    for name in _globals(code) if telling else ():
        value = telling.get(name)
        yield value
        if isinstance(value, types.ModuleType):
            yield from (getattr(value, inner, None) for inner in names)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the cell is not filled yet
            continue


def _is_telling(value: Any, package: str) -> bool:
    """Whether it is a port, or may lead to one. Where nothing is, the code need not be taken apart."""
    if isinstance(value, types.ModuleType):
        return _within(value.__name__, package)
    return isinstance(value, Port | Logic | types.FunctionType)


def _globals(code: types.CodeType) -> Iterator[str]:
    """Names of globals in the code and in the functions within it; an attribute of the same name is none."""
    yield from (i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)


def _names(code: types.CodeType) -> Iterator[str]:
    """Names of globals and attributes in the code and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
