"""What a revision changes, in the words of people. Pure: two specs in, a list out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from hansa.contracts.compatibility.contract import compatibility
from hansa.contracts.compatibility.verdict import Difference, Direction, Verdict
from hansa.contracts.window_words import dates_changed, window_changed
from hansa.model.product import (
    ContractSpec,
    EventTrigger,
    FieldSpec,
    HttpTrigger,
    KafkaTrigger,
    LimitSpec,
    OnceTrigger,
    OutputPortSpec,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    RetryPolicy,
    ScheduleTrigger,
    Trigger,
    flow_text,
)
from hansa.sdk.translators import directions

Kind = Literal["added", "changed", "removed", "metadata", "breaking"]
IN_CLEAR: Final = "subject.removed"
"""The code of a change by which records of persons are not encrypted any more."""
LIVE: Final = "live"
"""What the contract in force is called among the earlier ones."""


_OF_PROCESS: Final = ("timeout_s", "durability", "concurrency")
_OF_CONTRACT: Final = ("compatibility", "status", "wire_format", "on_violation", "whole_batches")
_OF_RETRY: Final = tuple(part.name for part in dataclasses.fields(RetryPolicy))
_OF_LIMITS: Final = tuple(part.name for part in dataclasses.fields(LimitSpec))


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference. `what` is port, process, logic, translator, trigger, input, terms or product; `text` says it in a
    sentence.

    Of a field of a port's contract `path` says which, `code` how it differs (`contracts.compatibility.kinds`), and
    `hits` who is hit.
    """

    kind: Kind
    what: str
    id: str
    text: str
    path: str = ""
    code: str = ""
    hits: tuple[Direction, ...] = ()


def changes(
    old: ProductSpec | None, new: ProductSpec, earlier: Mapping[str, Mapping[str, ContractSpec]] | None = None
) -> list[Change]:
    """Everything that a deployment of `new` in place of `old` changes; breaking changes come first.

    `earlier` has by port the contracts that were in force before that of `old`, oldest first, by their revision:
    records by them are still read.
    """
    if old is None:
        found = [Change("added", "product", new.id, f"{new.id} is new")]
        found += [Change("added", "port", port.id, f"{port.id} is new, a {port.kind.value}") for port in new.outputs]
        found += [Change("added", "process", p.name, f"{p.name}: {triggers_in_words(p)}") for p in new.processes]
        return found
    found = [
        *_ports(old, new, earlier or {}),
        *_processes(old, new),
        *_logic(old, new),
        *_translators(old, new),
        *_inputs(old, new),
        *_limits(old, new),
    ]
    found += _metadata(old, new)
    return sorted(found, key=lambda change: change.kind != "breaking")


def triggers_in_words(process: ProcessSpec) -> str:
    """What starts a process, in a few words."""
    return ", ".join(_in_words(trigger) for trigger in process.triggers) or "by hand"


def _in_words(trigger: Trigger) -> str:
    match trigger:
        case HttpTrigger():
            return f"{trigger.method} {trigger.path}"
        case PortTrigger():
            return f"records of {trigger.port}"
        case EventTrigger():
            return f"the event {trigger.name}"
        case KafkaTrigger():
            return f"messages of the topic {trigger.topic} ({trigger.connection})"
        case ScheduleTrigger(cron=str(cron)):
            return f"{cron} ({trigger.timezone})"
        case ScheduleTrigger():
            return f"every {trigger.every_s:g} s"
        case OnceTrigger():
            return f"once at {trigger.at}" if trigger.at else "once, when it is deployed"
        case _:
            return "by hand"


def _ports(old: ProductSpec, new: ProductSpec, earlier: Mapping[str, Mapping[str, ContractSpec]]) -> Iterator[Change]:
    before = {port.id: port for port in old.outputs}
    after = {port.id: port for port in new.outputs}
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    renamed = _pairs({i: before[i].contract.fields for i in gone}, {i: after[i].contract.fields for i in come})
    for port_id in gone:
        news = f"renamed to {renamed[port_id]}, which is a removal" if port_id in renamed else "gone"
        yield Change("breaking", "port", port_id, f"{port_id} is {news}: whoever reads it would break")
    for port_id in come:
        yield Change("added", "port", port_id, f"{port_id} is new, a {after[port_id].kind.value}")
        yield from _version(port_id, ContractSpec("", "", ()), after[port_id].contract)
    for port_id in before.keys() & after.keys():
        yield from _port(before[port_id], after[port_id], earlier.get(port_id, {}))


def _pairs(gone: Mapping[str, Any], come: Mapping[str, Any]) -> dict[str, str]:
    """What went and what came with the same shape, where there is one of each: that was renamed."""
    found = {}
    for name, shape in gone.items():
        same = [other for other, its in come.items() if its == shape]
        if len(same) == 1 and list(gone.values()).count(shape) == 1:
            found[name] = same[0]
    return found


def _port(old: OutputPortSpec, new: OutputPortSpec, earlier: Mapping[str, ContractSpec]) -> Iterator[Change]:
    if old.kind is not new.kind:
        yield Change("breaking", "port", new.id, f"{new.id} was a {old.kind.value} and would be a {new.kind.value}")
    verdict = compatibility({**earlier, LIVE: old.contract}, new.contract)
    yield from _contract(new.id, old.contract, new.contract, verdict)
    yield from _settings("port", new.id, old, new, ("partitions", "retention_s"))
    if old.contract.subject and not new.contract.subject:
        told = f"in {new.id}, records will be written in clear: the contract has no subject any more"
        yield Change("breaking", "port", new.id, f"{told}, which was {old.contract.subject}", code=IN_CLEAR)
    else:
        yield from _settings("port", new.id, old.contract, new.contract, ("subject",))
    yield from _settings("port", new.id, old.contract, new.contract, _OF_CONTRACT)
    yield from _settings("port", new.id, old, new, ("deprecated",))
    yield from _version(new.id, old.contract, new.contract)
    if (old.description, old.contract.version) != (new.description, new.contract.version):
        yield Change("metadata", "port", new.id, f"{new.id} is described differently, as {new.contract.version}")


def _version(port: str, old: ContractSpec, new: ContractSpec) -> Iterator[Change]:
    """What differs in the dates of a version and in its window."""
    line = port.rpartition("@")[0]
    yield from (Change(kind, "port", port, text) for kind, text in dates_changed(port, old.dates, new.dates))
    windows = window_changed(port, old.window, new.window, lambda major: f"{line}@{major}")
    yield from (Change(kind, "port", port, text) for kind, text in windows)


def _contract(port: str, old: ContractSpec, new: ContractSpec, verdict: Verdict) -> Iterator[Change]:
    """What differs in a contract; what hits someone whom its mode leaves unprotected is told, and breaks nothing."""
    breaking, renamed = verdict.breaking, _renamed(old.fields, new.fields)
    for one in verdict.differences:
        kind: Kind = "breaking" if one in breaking else "metadata" if one.kind == "description.changed" else "changed"
        before = f" (as in revision {one.against})" if one.against != LIVE else ""
        text = _sentence(one, renamed if one.against == LIVE else {})
        hits = tuple(sorted(one.hits))
        yield Change(kind, "port", port, f"in {port}, {text}{before}", one.path, one.kind, hits)


def _sentence(one: Difference, renamed: Mapping[str, str]) -> str:
    """What changes; a field that only got another name is said to be renamed, and is a removal for readers."""
    name = renamed.get(one.path)
    if name is None or Direction.OLD_READERS not in one.hits:
        return one.sentence
    return f"{one.path} is renamed to {name}, which is a removal for readers: {one.sentence}"


def _renamed(old: tuple[FieldSpec, ...], new: tuple[FieldSpec, ...]) -> dict[str, str]:
    """By their old names, the fields that have another name and are as they were but for that."""
    before, after = {f.name: f for f in old}, {f.name: f for f in new}
    shapes = [{name: _shape(fields[name]) for name in fields.keys() - others} for fields, others in
              ((before, after.keys()), (after, before.keys()))]  # fmt: skip
    return _pairs(*shapes)


def _shape(field: FieldSpec) -> FieldSpec:
    return dataclasses.replace(field, name="", description="")


def _settings(what: str, place: str, old: Any, new: Any, names: Iterable[str]) -> Iterator[Change]:
    """Each attribute of `names` that differs, as it was and as it will be."""
    for name in names:
        was, will_be = getattr(old, name), getattr(new, name)
        if was != will_be:
            yield Change("changed", what, place, f"{name} of {place} changes from {_said(was)} to {_said(will_be)}")


def _said(value: Any) -> str:
    """A setting as people read it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _processes(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    before = {p.name: p for p in old.processes}
    after = {p.name: p for p in new.processes}
    renamed = _pairs(*({n: _anonymous(these[n]) for n in these.keys() - others.keys()}
                       for these, others in ((before, after), (after, before))))  # fmt: skip
    for name in before.keys() - after.keys():
        news = f"renamed to {renamed[name]}: its state and positions begin anew" if name in renamed else "gone"
        yield Change("removed", "process", name, f"{name} is {news}; its runs stay in the history")
    for name in after.keys() - before.keys():
        yield Change("added", "process", name, f"{name}: {triggers_in_words(after[name])}")
    for name in before.keys() & after.keys():
        if before[name].triggers != after[name].triggers:
            yield Change("changed", "trigger", name, _started(before[name], after[name]))
        if _steps(before[name]) != _steps(after[name]) or _flow(before[name]) != _flow(after[name]):
            yield Change("changed", "process", name, f"{name} is {_flow(after[name])}")
        yield from _settings("process", name, before[name], after[name], _OF_PROCESS)
        yield from _settings("process", name, before[name].retry, after[name].retry, _OF_RETRY)


def _started(old: ProcessSpec, new: ProcessSpec) -> str:
    """How its triggers differ: in words, or where these say the same, by what they take and answer."""
    was, will_be = triggers_in_words(old), triggers_in_words(new)
    if was != will_be:
        return f"{new.name} starts differently: {was} → {will_be}"
    differing = {
        name.replace("_", " ")
        for one, other in zip(old.triggers, new.triggers, strict=False)
        for name in one.__struct_fields__
        if getattr(one, name) != getattr(other, name, None)
    }
    return f"{new.name} starts with {will_be} as before, but changes its {', '.join(sorted(differing))}"


def _anonymous(process: ProcessSpec) -> ProcessSpec:
    return dataclasses.replace(process, name="", line=0)


def _steps(process: ProcessSpec) -> list[tuple[str, Mapping[str, Any]]]:
    return [(step.logic, step.settings) for step in process.steps]


def _flow(process: ProcessSpec) -> str:
    """How the steps are composed, in one line."""
    return flow_text(process.flow) if process.flow else " → ".join(step.name for step in process.steps)


def _logic(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    before = {logic.name: logic.digest for logic in old.logic}
    for logic in new.logic:
        if logic.name not in before:
            yield Change("added", "logic", logic.name, f"{logic.name} is new")
        elif before[logic.name] != logic.digest:
            yield Change("changed", "logic", logic.name, f"{logic.name} has other code")
    for name in before.keys() - {logic.name for logic in new.logic}:
        yield Change("removed", "logic", name, f"{name} is gone")


def _translators(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    """Those of the same name and other code; that a window names another one is told of the window."""
    for source, target, name in directions(new.outputs):
        was, will_be = old.translators.get(name), new.translators.get(name)
        if was is not None and will_be is not None and was != will_be:
            told = f"{name}, which translates {source} into {target}, has other code"
            yield Change("changed", "translator", name, f"{told}; what it has translated stays as it is")


def _inputs(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    before, after = {i.port for i in old.inputs}, {i.port for i in new.inputs}
    for port in after - before:
        yield Change("added", "input", port, f"it reads {port} from now on")
    for port in before - after:
        yield Change("removed", "input", port, f"it does not read {port} any more")


def _limits(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    yield from _settings("product", new.id, old.limits, new.limits, _OF_LIMITS)
    yield from _settings("product", new.id, old, new, ("requirements", "connections"))


def _metadata(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    for name in ("name", "description", "version", "owner", "team", "support", "tags"):
        if getattr(old, name) != getattr(new, name):
            yield Change("metadata", "product", new.id, f"its {name} changes")
