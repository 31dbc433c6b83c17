"""Where the value of each parameter after the star comes from: exactly one place, or a finding in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from hansa.model.ids import did_you_mean
from hansa.sdk.connections import Connection
from hansa.sdk.context import Context, ReadContext
from hansa.sdk.fit import NOTHING, element, fits, is_parameter, listed, members, type_name
from hansa.sdk.process import MISSING, Parameter, Source
from hansa.sdk.signature import Fault, Named

_WORDS: dict[str, str] = {
    "ctx": "the context",
    "path": "a path parameter",
    "resource": "a resource",
    "connection": "a connection",
    "result": "the result of an earlier logic",
    "payload": "the payload",
    "setting": "a setting",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The names within reach of one place in a process. `results` is by name what earlier logic returns, `absent` why
    there may be nothing of one, `beyond` why a logic's result is out of reach. `path_always` are the path parameters
    that every trigger gives."""

    path: frozenset[str]
    path_always: frozenset[str]
    is_http: bool
    is_only_http: bool
    resources: Mapping[str, Callable[..., Any]]
    connections: tuple[str, ...]
    results: Mapping[str, Any]
    absent: Mapping[str, str]
    beyond: Mapping[str, str]
    settings: Mapping[str, Any]

    def sources(self, name: str) -> list[Source]:
        """Every place that could give the name."""
        places: dict[Source, bool] = {
            "ctx": name == "ctx",
            "payload": name == "payload",
            "setting": name in self.settings,
            "path": name in self.path,
            "resource": name in self.resources,
            "connection": name in self.connections,
            "result": name in self.results,
        }
        return [source for source, gives in places.items() if gives]

    @property
    def known(self) -> list[str]:
        """Every name within reach, for did-you-mean."""
        return ["ctx", "payload", *self.path, *self.resources, *self.connections, *self.results]


def resolve(named: Named, scope: Scope, logic: str) -> Parameter | Fault:
    """The parameter with its one source, or why there is none."""
    sources = scope.sources(named.name)
    if len(sources) > 1:
        places = " and ".join(_WORDS[source] for source in sources)
        message = f"{named.name!r} of {logic} could be {places}"
        return Fault("parameter.ambiguous", message, "Rename one of them.")
    source = sources[0] if sources else _fallback(named, scope, logic)
    if isinstance(source, Fault):
        return source
    if source == "path" and named.default is MISSING and named.name not in scope.path_always:
        message = f"{named.name!r} of {logic} is in the path of one trigger, and another does not give it"
        return Fault("parameter.unknown", message, "Give it a default, or put it into every path.")
    fault = _misfit(named, source, scope, logic) or _absence(named, source, scope, logic)
    is_batch = source == "result" and listed(named.annotation) is not None
    return fault or Parameter(named.name, source, named.annotation, named.default, is_batch)


def _fallback(named: Named, scope: Scope, logic: str) -> Source | Fault:
    """A name that no place gives: a query parameter where there is a query, else its default."""
    wanted = next((k for k in members(named.annotation) if k in (*get_args(Connection), Context, ReadContext)), None)
    is_context = wanted in (Context, ReadContext)
    if wanted is not None and not is_context:
        message = f"{named.name!r} of {logic} is {type_name(wanted)}, but product.yaml declares no such connection"
        near = did_you_mean(named.name, scope.connections)
        return Fault("connection.unknown", message, near or "Add it to the customProperty 'connections'.")
    if named.name in scope.beyond:
        message = f"The result of {named.name} is out of reach of {logic}: it is {scope.beyond[named.name]}"
        return Fault("parameter.beyond", message, "Name it behind parallel(), each() or when().")
    has_default = named.default is not MISSING
    if scope.is_http and is_parameter(named.annotation) and (has_default or scope.is_only_http):
        return "query"
    if has_default:
        return "default"
    return _unknown(named, scope, logic, "ctx" if is_context else None)


def _unknown(named: Named, scope: Scope, logic: str, meant: str | None) -> Fault:
    near = f"Did you mean {meant!r}?" if meant else did_you_mean(named.name, scope.known)
    if scope.is_http and is_parameter(named.annotation):
        message = f"{named.name!r} of {logic} is a query parameter, but not only HTTP starts the process"
        return Fault("parameter.unknown", message, near or "Give it a default.")
    message = f"Nothing gives {logic} its parameter {named.name!r}"
    hint = f"Give it a default, a setting (.using({named.name}=…)), a resource or a connection of that name."
    return Fault("parameter.unknown", message, near or hint)


def _misfit(named: Named, source: Source, scope: Scope, logic: str) -> Fault | None:
    """Why what the source gives cannot be of the parameter's type."""
    given = _given(named.name, source, scope)
    if _fits(given, source, named.annotation):
        return None
    message = (
        f"{named.name!r} of {logic} is {type_name(named.annotation)}, "
        f"but {_WORDS[source]} of that name is {type_name(given)}"
    )
    return Fault("type.mismatch", message, "Change the annotation, or what is given.")


def _fits(given: Any, source: Source, wanted: Any) -> bool:
    """A connection is of one of their kinds; a result that is no list is a list of one where a list is asked for."""
    if source == "connection":
        return any(fits(kind, wanted) for kind in get_args(given))
    if source == "result":
        return all(fits(one, wanted) or fits(list[one], wanted) for one in members(given))  # type: ignore[valid-type]
    return fits(given, wanted)


def _absence(named: Named, source: Source, scope: Scope, logic: str) -> Fault | None:
    """Why a result that there may be nothing of needs a type, or a default, that says so."""
    if source != "result" or named.name not in scope.absent:
        return None
    if named.default is not MISSING or _may_be_none(named.annotation):
        return None
    wanted = type_name(named.annotation)
    message = f"{named.name!r} of {logic} is {wanted}, but there is none {scope.absent[named.name]}"
    return Fault("type.mismatch", message, f"Write '{named.name}: {wanted} | None', or give it a default.")


def _may_be_none(annotation: Any) -> bool:
    """True where None is of the type, or of its elements."""
    kinds = members(annotation)
    return any(kind in (Any, NOTHING) or ((inner := element(kind)) and _may_be_none(inner)) for kind in kinds)


def _given(name: str, source: Source, scope: Scope) -> Any:
    if source == "ctx":
        return Context
    if source == "result":
        return scope.results[name]
    if source == "setting":
        return type(scope.settings[name])
    if source == "resource":
        return returned_by(scope.resources[name])
    if source == "connection":
        return Connection
    return Any


def returned_by(function: Callable[..., Any]) -> Any:
    """The annotated type of a result, `Any` where there is none that can be read."""
    try:
        return get_type_hints(function).get("return", Any)
    except Exception:  # annotations are the author's expressions and may raise anything
        return Any
