"""What keeps a revision from being served in its mesh, as findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import msgspec

from hansa.contracts.schemas.wire import wire_schema
from hansa.errors import AuthorError, HansaError
from hansa.lifecycle.breaking import ended_reads
from hansa.lifecycle.expectations import wrong_expectations
from hansa.lifecycle.references import wrong_references
from hansa.model.product import (
    HttpTrigger,
    OnceTrigger,
    OutputPortSpec,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ProductState,
    ScheduleTrigger,
    Trigger,
)
from hansa.runtime.live import LiveProduct
from hansa.sdk.describe import absolute_path
from hansa.sdk.finding import Finding, plan_error
from hansa.triggers import schedule


def described(declared: ProductSpec, found: bytes) -> ProductSpec:
    """The revision's spec: its processes as the worker described them, everything else as its files declare it, for
    what comes out of a worker may be forged. Raises `PlanError` for a description that no compilation makes."""
    try:
        told = msgspec.msgpack.decode(found, type=ProductSpec)
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise plan_error([Finding("product.description", f"Its description cannot be read: {fault}")]) from fault
    spec = replace(declared, logic=told.logic, processes=told.processes, translators=told.translators)
    strange = [
        Finding(
            "route.foreign", f"{p.name} answers at {t.path}, which is not under {spec.id}", file=p.file, line=p.line
        )
        for p in spec.processes
        for t in p.triggers
        if isinstance(t, HttpTrigger) and t.path != absolute_path(t.path, spec.id)
    ]
    if strange:
        raise plan_error(strange)
    return spec


def misfits(
    spec: ProductSpec, read_before: Iterable[str], others: Mapping[str, LiveProduct], ended: Mapping[str, str]
) -> list[Finding]:
    """What is wrong with a revision beside `others`, the live products by id. `read_before` are the ports that its
    product reads already, `ended` the versions that have ended, with their successors."""
    if over := ended_reads(spec, ended):
        return list(over)
    judge = partial(_unreadable, spec, others, read_before)
    ports = {port.id: port for other in others.values() for port in other.spec.outputs}
    findings = [*_inputs(spec, judge), *wrong_expectations(spec, ports), *wrong_references(spec, ports)]
    return [*findings, *_timers(spec), *(wrong for port in spec.outputs if (wrong := _on_topic(port)) is not None)]


def _unreadable(
    spec: ProductSpec, others: Mapping[str, LiveProduct], read_before: Iterable[str], port: str
) -> tuple[str, str, str | None] | None:
    """(code, why, hint) where a product may not read a port; None where it may."""
    owner = others.get(port.partition("/")[0])
    is_own = owner is None and spec.output(port) is not None
    is_hidden = owner is not None and owner.state is ProductState.DRAFT and owner.spec.domain != spec.domain
    if not is_own and (owner is None or is_hidden or owner.spec.output(port) is None):
        return "port.unknown", f"{port}, which nobody publishes", None
    if owner is not None and owner.state is ProductState.DEPRECATED and port not in read_before:
        hint = f"Read {owner.successor} instead." if owner.successor else "Ask its owner what comes in its place."
        return "port.deprecated", f"{port}, which is deprecated and takes no new readers", hint
    return None


_Judge = Callable[[str], tuple[str, str, str | None] | None]


def _inputs(spec: ProductSpec, judge: _Judge) -> Iterator[Finding]:
    """What is wrong with the ports that a product reads."""
    for item in spec.inputs:
        if wrong := judge(item.port):
            yield Finding(wrong[0], f"The input {item.name} reads {wrong[1]}", wrong[2], file="product.yaml")
    for process in spec.processes:
        for trigger in process.triggers:
            if isinstance(trigger, PortTrigger) and (wrong := judge(trigger.port)):
                yield Finding(wrong[0], f"{process.name} follows {wrong[1]}", wrong[2], process.file, process.line)


def _timers(spec: ProductSpec) -> Iterator[Finding]:
    for process in spec.processes:
        for trigger in process.triggers:
            if (wrong := _timed(process, trigger)) is not None:
                yield wrong


def _timed(process: ProcessSpec, trigger: Trigger) -> Finding | None:
    """What is wrong with a schedule, said at plan and not each time that it should fire."""
    if not isinstance(trigger, ScheduleTrigger | OnceTrigger):
        return None
    try:
        schedule.check(trigger)
    except HansaError as wrong:
        return Finding(wrong.code, wrong.message, wrong.hint, process.file, process.line)
    return None


def _on_topic(port: OutputPortSpec) -> Finding | None:
    """What is wrong with the form that a contract asks for its records outside of Hansa."""
    if port.contract.wire_format is None:
        return None
    try:
        wire_schema(port.contract, "value")
    except AuthorError as wrong:
        return Finding(wrong.code, f"{port.id}: {wrong.message}", wrong.hint, "product.yaml")
    return None
