"""A compiled process as plain values: what the registry keeps, plan compares and OpenAPI shows."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from hansa.model.ids import ProductId
from hansa.model.product import (
    EventTrigger,
    FlowSpec,
    HttpTrigger,
    KafkaTrigger,
    LogicSpec,
    ParameterSpec,
    PortTrigger,
    ProcessSpec,
    StepSpec,
    Trigger,
)
from hansa.sdk.fit import members, result_of, type_name
from hansa.sdk.flow import Each, Flow, Node, Parallel, When
from hansa.sdk.logic import Logic
from hansa.sdk.ports import Port
from hansa.sdk.process import MISSING, Input, Parameter, Process, Step, whole
from hansa.sdk.values import Message

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


def describe_logic(logic: Logic[..., Any], file: str) -> LogicSpec:
    """What the catalogue shows of a logic; `file` is relative to the product's folder."""
    return LogicSpec(
        name=logic.name, kind=logic.kind, description=logic.doc, file=file, line=logic.line, digest=logic.digest
    )


def describe_process(process: Process) -> ProcessSpec:
    """The process without its functions."""
    return ProcessSpec(
        name=process.name,
        steps=tuple(_describe_step(step) for step in process.steps),
        flow=tuple(_describe_node(node) for node in process.flow),
        triggers=process.triggers,
        description=process.description,
        use_case=process.use_case,
        tags=process.tags,
        timeout_s=process.timeout_s,
        retry=process.retry,
        durability=process.durability,
        concurrency=process.concurrency,
        reads=process.reads,
        publishes=process.publishes,
        file=process.file,
        line=process.line,
        fields=process.fields,
    )


def complete_trigger(trigger: Trigger, product: str, first: Input, returns: Any) -> Trigger:
    """The trigger with all that the process says: absolute path, schemas, and whether records are given one by one."""
    if isinstance(trigger, HttpTrigger):
        return _complete_route(trigger, product, first, returns)
    single = first.shape == "one"
    if isinstance(trigger, PortTrigger):
        return PortTrigger(trigger.port, batch=trigger.batch, where=trigger.where, start=trigger.start, single=single)
    if isinstance(trigger, KafkaTrigger):
        return replace(trigger, single=single, whole=Message in members(first.annotation))
    return replace(trigger, single=single) if isinstance(trigger, EventTrigger) else trigger


def absolute_path(path: str, product: str) -> str:
    """`path` under `/{domain}/{product}`; one that stands there already is kept."""
    identity = ProductId.parse(product)
    prefix = f"/{identity.domain}/{identity.name}"
    if path == prefix or path.startswith(f"{prefix}/"):
        return path
    return prefix + (path if path != "/" else "")


def schema_of(annotation: Any) -> dict[str, Any] | None:
    """The type as JSON Schema (2020-12), or None where it says nothing or cannot be said."""
    if annotation is Any:
        return None
    try:
        return msgspec.json.schema(annotation)
    except TypeError:
        return None


def _complete_route(trigger: HttpTrigger, product: str, first: Input, returns: Any) -> HttpTrigger:
    body = trigger.body
    if first.shape == "none" or trigger.method in _BODILESS:
        body = "none"
    elif body == "json" and members(first.annotation) == (bytes,):
        body = "bytes"
    return replace(
        trigger,
        path=absolute_path(trigger.path, product),
        body=body,
        body_schema=schema_of(whole(first)) if body in ("json", "form") else None,
        result_schema=schema_of(result_of(returns)),
    )


def _describe_node(node: Node[Step]) -> FlowSpec:
    def described(flow: Flow[Step]) -> tuple[FlowSpec, ...]:
        return tuple(_describe_node(inner) for inner in flow)

    if isinstance(node, Parallel):
        branches = tuple(described(branch) for branch in node.branches)
        return FlowSpec("parallel", branches=branches, quorum=node.quorum, timeout_s=node.timeout_s)
    if isinstance(node, Each):
        return FlowSpec(
            "each", branches=(described(node.body),), quorum=node.quorum, timeout_s=node.timeout_s,
            concurrency=node.concurrency,
        )  # fmt: skip
    if isinstance(node, When):
        return FlowSpec("when", node.predicate.name, (described(node.then), described(node.otherwise)))
    return FlowSpec("step", node.name)


def _describe_step(step: Step) -> StepSpec:
    value = (
        ()
        if step.input.shape == "none"
        else (ParameterSpec(step.input.name, "value", type_name(whole(step.input)), schema_of(whole(step.input))),)
    )
    return StepSpec(
        name=step.name,
        logic=step.logic.name,
        settings={name: _plain(setting) for name, setting in step.settings.items()},
        parameters=(*value, *(_describe_parameter(parameter) for parameter in step.parameters)),
        builtin=step.logic.builtin,
    )


def _describe_parameter(parameter: Parameter) -> ParameterSpec:
    is_public = parameter.source in ("path", "query", "payload")
    return ParameterSpec(
        name=parameter.name,
        source=parameter.source,
        type=type_name(parameter.annotation),
        schema=schema_of(parameter.annotation) if is_public else None,
        required=parameter.default is MISSING,
    )


def _plain(setting: object) -> Any:
    """A setting as plain data; what has no such form is shown as text."""
    if isinstance(setting, Port):
        return setting.id
    try:
        return msgspec.to_builtins(setting)
    except TypeError:
        return repr(setting)
