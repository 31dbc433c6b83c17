"""Translators of version windows, as plan checks them: named by a contract, and of the types of its two versions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hansa.model.ids import did_you_mean
from hansa.model.product import OutputPortSpec, windows_among
from hansa.sdk.fit import type_name
from hansa.sdk.ports import OutputPort, Record
from hansa.sdk.process import whole
from hansa.sdk.signature import Fault, Signature

Function = Callable[..., Any]


class Direction(NamedTuple):
    """Records of the port `source` become records of `target`, by the translator of that name, or by JSONata."""

    source: str
    target: str
    translator: str


def directions(outputs: Iterable[OutputPortSpec]) -> Iterator[Direction]:
    """Both directions of each window among the ports of a product."""
    for older, newer in windows_among(outputs):
        window = newer.contract.window
        assert window is not None
        yield Direction(older.id, newer.id, window.upgrade)
        yield Direction(newer.id, older.id, window.downgrade)


def check_translators(
    translators: Mapping[str, Function], outputs: Iterable[OutputPortSpec], signature: Callable[[Function], Signature]
) -> Iterator[tuple[Function | None, Fault]]:
    """What is wrong with the translators, each with the function that it is about, where there is one."""
    wanted: set[str] = set()
    for direction in (found for found in directions(outputs) if found.translator.isidentifier()):
        wanted.add(direction.translator)
        function = translators.get(direction.translator)
        if function is None:
            yield None, _missing(direction, translators)
        else:
            yield from ((function, fault) for fault in _types(direction, signature(function)))
    for name in translators.keys() - wanted:
        message = f"No contract names the translator {name}"
        hint = did_you_mean(name, wanted) or "Name it in the window of the newer version's contract."
        yield translators[name], Fault("translator.unused", message, hint)


def _missing(direction: Direction, translators: Mapping[str, Function]) -> Fault:
    name = direction.translator
    message = f"There is no translator {name!r} from {direction.source} to {direction.target}, which a contract names"
    hint = did_you_mean(name, translators) or f"Write it: @product.translator, then def {name}(record) -> …"
    return Fault("translator.missing", message, hint)


def _types(direction: Direction, signature: Signature) -> Iterator[Fault]:
    """It takes one record of the source and returns one of the target."""
    name = direction.translator
    if signature.named:
        message = f"The translator {name} takes {signature.named[0].name!r} besides the record"
        yield Fault("translator.parameter", message, "It takes the record and nothing else.")
    for verb, annotation, port in (
        ("takes", whole(signature.input), direction.source),
        ("returns", signature.returns, direction.target),
    ):
        found = port_of(annotation)
        if found != port:
            told = f"records of {found}" if found else type_name(annotation)
            hint = "Annotate it with the classes in ports.py; the contract says which version is made of which."
            yield Fault("translator.type", f"The translator {name} {verb} {told}, not records of {port}", hint)


def port_of(record: object) -> str | None:
    """The output port whose records are of that class, by the `ports.py` that it stands in."""
    if not isinstance(record, type) or not issubclass(record, Record):
        return None
    beside = vars(sys.modules.get(record.__module__, object)).values()
    return next((port.id for port in beside if isinstance(port, OutputPort) and port.record is record), None)
