"""What a revision changes, in the words of people. Pure: two specs in, a list out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from hansa.model.product import (
    EventTrigger,
    FieldSpec,
    HttpTrigger,
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

Kind = Literal["added", "changed", "removed", "metadata", "breaking"]


_OF_PROCESS: Final = ("timeout_s", "durability", "concurrency")
_OF_RETRY: Final = tuple(part.name for part in dataclasses.fields(RetryPolicy))
_OF_LIMITS: Final = tuple(part.name for part in dataclasses.fields(LimitSpec))


class Change(msgspec.Struct, frozen=True):
    """One difference. `what` is port, process, logic, trigger, input or product; `text` says it in a sentence."""

    kind: Kind
    what: str
    id: str
    text: str


def changes(old: ProductSpec | None, new: ProductSpec) -> list[Change]:
    """Everything that a deployment of `new` in place of `old` changes; breaking changes come first."""
    if old is None:
        found = [Change("added", "product", new.id, f"{new.id} is new")]
        found += [Change("added", "port", port.id, f"{port.id} is new, a {port.kind.value}") for port in new.outputs]
        found += [Change("added", "process", p.name, f"{p.name}: {triggers_in_words(p)}") for p in new.processes]
        return found
    found = [*_ports(old, new), *_processes(old, new), *_logic(old, new), *_inputs(old, new), *_limits(old, new)]
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
        case ScheduleTrigger(cron=str(cron)):
            return f"{cron} ({trigger.timezone})"
        case ScheduleTrigger():
            return f"every {trigger.every_s:g} s"
        case OnceTrigger():
            return f"once at {trigger.at}" if trigger.at else "once, when it is deployed"
        case _:
            return "by hand"


def _ports(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    before = {port.id: port for port in old.outputs}
    after = {port.id: port for port in new.outputs}
    for port_id in before.keys() - after.keys():
        yield Change("breaking", "port", port_id, f"{port_id} is gone: whoever reads it would break")
    for port_id in after.keys() - before.keys():
        yield Change("added", "port", port_id, f"{port_id} is new, a {after[port_id].kind.value}")
    for port_id in before.keys() & after.keys():
        yield from _port(before[port_id], after[port_id])


def _port(old: OutputPortSpec, new: OutputPortSpec) -> Iterator[Change]:
    if old.kind is not new.kind:
        yield Change("breaking", "port", new.id, f"{new.id} was a {old.kind.value} and would be a {new.kind.value}")
    if old.contract.key != new.contract.key:
        yield Change(
            "breaking", "port", new.id, f"the key of {new.id} changes from {old.contract.key} to {new.contract.key}"
        )
    yield from _fields(new.id, "", old.contract.fields, new.contract.fields)
    yield from _settings("port", new.id, old, new, ("partitions", "retention_s"))
    yield from _settings("port", new.id, old.contract, new.contract, ("subject",))
    if (old.description, old.contract.version) != (new.description, new.contract.version):
        yield Change("metadata", "port", new.id, f"{new.id} is described differently, as {new.contract.version}")


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
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _fields(port: str, within: str, old: tuple[FieldSpec, ...], new: tuple[FieldSpec, ...]) -> Iterator[Change]:
    """Differences of the fields of a contract, or of those within an object."""
    before, after = {f.name: f for f in old}, {f.name: f for f in new}
    for name, field in before.items():
        if name not in after:
            yield Change("breaking", "port", port, f"{port} loses the field {within}{name}")
        else:
            yield from _field(f"{port}.{within}".rstrip("."), field, after[name], port)
    for name, field in after.items():
        if name not in before:
            kind: Kind = "breaking" if field.required else "changed"
            why = "a required field: records written before do not have it" if field.required else "an optional field"
            yield Change(kind, "port", port, f"{port} gets {within}{name}, {why}")


def _field(place: str, old: FieldSpec, new: FieldSpec, port: str) -> Iterator[Change]:
    within = f"{place}.{new.name}".removeprefix(f"{port}.") + "."
    yield from _fields(port, within, old.fields, new.fields)
    if old.items is not None and new.items is not None:
        yield from _field(f"{place}.{new.name}", old.items, new.items, port)
    if old.type != new.type:
        yield Change("breaking", "port", port, f"{place}.{new.name} changes from {old.type} to {new.type}")
    if old.required and not new.required:
        yield Change("breaking", "port", port, f"{place}.{new.name} may be missing from now on")
    elif new.required and not old.required:
        yield Change("changed", "port", port, f"{place}.{new.name} is required from now on")
    if (old.description, old.options) != (new.description, new.options):
        yield Change("metadata", "port", port, f"{place}.{new.name} is described differently")


def _processes(old: ProductSpec, new: ProductSpec) -> Iterator[Change]:
    before = {p.name: p for p in old.processes}
    after = {p.name: p for p in new.processes}
    for name in before.keys() - after.keys():
        yield Change("removed", "process", name, f"{name} is gone; its runs stay in the history")
    for name in after.keys() - before.keys():
        yield Change("added", "process", name, f"{name}: {triggers_in_words(after[name])}")
    for name in before.keys() & after.keys():
        if before[name].triggers != after[name].triggers:
            told = f"{triggers_in_words(before[name])} → {triggers_in_words(after[name])}"
            yield Change("changed", "trigger", name, f"{name} starts differently: {told}")
        if _steps(before[name]) != _steps(after[name]) or _flow(before[name]) != _flow(after[name]):
            yield Change("changed", "process", name, f"{name} is {_flow(after[name])}")
        yield from _settings("process", name, before[name], after[name], _OF_PROCESS)
        yield from _settings("process", name, before[name].retry, after[name].retry, _OF_RETRY)


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
