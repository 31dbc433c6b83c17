"""Plan: a loaded product is checked against its files and compiled, before anything of it runs.

The checks name every finding at once, in words, with file and line. What passes is also what the runtime works with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from hansa.model.ids import did_you_mean
from hansa.model.product import (
    Following,
    HttpTrigger,
    KafkaTrigger,
    ManualTrigger,
    OnceTrigger,
    PortTrigger,
    ProductSpec,
    ScheduleTrigger,
)
from hansa.sdk.describe import complete_trigger, describe_logic, describe_process
from hansa.sdk.finding import Finding
from hansa.sdk.fit import fits, type_name, union
from hansa.sdk.flow import leaves
from hansa.sdk.handles import ports_of
from hansa.sdk.logic import Bound, Logic
from hansa.sdk.plan_flow import Places, Reach, Walk, takes
from hansa.sdk.ports import OutputPort, Port
from hansa.sdk.process import Declaration, Input, Parameter, Process, Step, entry, whole
from hansa.sdk.product import DataProduct
from hansa.sdk.resolve import Scope, resolve
from hansa.sdk.signature import Fault, Signature, read_signature
from hansa.sdk.source import digest_of
from hansa.sdk.translators import check_translators
from hansa.sdk.triggers import Subscription, path_names
from hansa.sdk.uses import fields_used
from hansa.sdk.values import Error


def compile_product(product: DataProduct, declared: ProductSpec) -> tuple[ProductSpec, list[Finding]]:
    """Compiles every process into `product.processes` and describes the revision; `declared` is what its YAML files
    say.

    With findings the product must not be deployed: what they speak of is compiled as far as it can be.
    """
    plan = _Plan(product, declared)
    product.processes = {name: plan.process(item) for name, item in product.declarations.items()}
    plan.check_resources()
    for function, fault in check_translators(product.translators, declared.outputs, plan.signature):
        if function is None:
            plan.findings.append(Finding(fault.code, fault.message, fault.hint, "product.py"))
        else:
            plan.report(function, fault)
    used = [step.logic for process in product.processes.values() for step in process.steps if not step.logic.builtin]
    logics = {logic.name: logic for logic in (*product.logics.values(), *used)}
    spec = replace(
        declared,
        logic=tuple(describe_logic(logic, plan.relative(logic.file)) for logic in logics.values()),
        processes=tuple(describe_process(process) for process in product.processes.values()),
        translators={name: digest_of(function) for name, function in product.translators.items()},
    )
    return spec, plan.findings


class _Plan:
    """One compilation: the product, what its files declare, and the findings so far."""

    def __init__(self, product: DataProduct, declared: ProductSpec) -> None:
        self._product = product
        self._declared = declared
        self._signatures: dict[Callable[..., Any], Signature] = {}
        self.findings: list[Finding] = []

    def process(self, item: Declaration) -> Process:
        """The compiled process; what is wrong with it is added to the findings."""
        self._check_order(item)
        is_in_batches = any(isinstance(t, Following) and t.batch > 1 for t in item.triggers)
        flow, end = Walk(_Places(self, item)).process(item.flow, in_batches=is_in_batches)
        steps = tuple(leaves(flow))
        given = entry(flow[0]) if flow else Input()
        self._check_start(item, steps, given)
        self._check_payload(item, steps, given, is_in_batches=is_in_batches)
        reads, publishes = self._ports(item, steps)
        options = item.options
        triggers = tuple(complete_trigger(trigger, self._declared.id, given, end.value) for trigger in item.triggers)
        process = Process(
            name=item.name,
            flow=flow,
            triggers=triggers,
            description=options.description,
            use_case=options.use_case,
            tags=options.tags,
            timeout_s=options.timeout_s,
            retry=options.retry,
            durability=options.durability,
            concurrency=options.concurrency,
            reads=tuple(sorted(reads)),
            publishes=tuple(sorted(publishes)),
            file=self.relative(item.file),
            line=item.line,
        )
        return replace(process, fields=fields_used(process, item.triggers))

    def relative(self, file: str) -> str:
        """The path within the product's folder, or the file's name where it is elsewhere."""
        path = Path(file)
        return path.relative_to(self._product.folder).as_posix() if self._product.folder in path.parents else path.name

    def check_resources(self) -> None:
        """A resource is made before any run, so that nothing can be given to it."""
        for name, function in self._product.resources.items():
            if inspect.signature(function).parameters:
                message = f"The resource {name} takes parameters; nothing can give them"
                self.report(function, Fault("resource.parameters", message, "Take them away."))

    def _check_order(self, item: Declaration) -> None:
        if not item.flow:
            self.report_at(item, "process.empty", f"The process {item.name} has no logic", "Give it at least one.")
            return
        last = item.flow[-1]
        for bound in leaves(item.flow):
            if bound.logic.kind == "aggregator" and bound is not last:
                message = f"The aggregator {bound.logic.name} is not the last of the process {item.name}"
                self.report_at(item, "process.aggregator_early", message, "Put it at the end, or make it a logic.")
        if not isinstance(last, Bound) or last.logic.kind != "aggregator":
            ending = f"the logic {last.logic.name}" if isinstance(last, Bound) else f"{type(last).__name__.lower()}(…)"
            message = f"The process {item.name} ends in {ending}, not in an aggregator"
            hint = "End it with publish_to(port), reply or a function decorated with @product.aggregator."
            self.report_at(item, "process.no_aggregator", message, hint)

    def step(self, item: Declaration, bound: Bound, name: str, reach: Reach) -> Step:
        """One place of the process, every name after the star resolved."""
        self._check_settings(item, bound)
        scope = self._scope(item, bound, reach)
        logic = bound.logic
        signature = self.signature(logic)
        on_error = logic.on_error_function
        return Step(
            name=name,
            logic=logic,
            settings=bound.settings,
            parameters=self._resolve(logic.function, signature, scope),
            input=signature.input,
            on_error=on_error,
            on_error_parameters=self._on_error(on_error, scope) if on_error else (),
        )

    def _scope(self, item: Declaration, bound: Bound, reach: Reach) -> Scope:
        paths = [frozenset(path_names(t.path)) for t in item.triggers if isinstance(t, HttpTrigger)]
        others = [t for t in item.triggers if not isinstance(t, HttpTrigger | ManualTrigger)]
        return Scope(
            path=frozenset().union(*paths),
            path_always=frozenset.intersection(*paths) if paths and not others else frozenset(),
            is_http=bool(paths),
            is_only_http=bool(paths) and not others,
            resources=self._product.resources,
            connections=self._declared.connections,
            results=reach.results,
            absent=reach.absent,
            beyond=reach.beyond,
            settings=bound.settings,
        )

    def _resolve(self, function: Callable[..., Any], signature: Signature, scope: Scope) -> tuple[Parameter, ...]:
        found = [resolve(named, scope, function.__name__) for named in signature.named]
        for fault in found:
            if isinstance(fault, Fault):
                self.report(function, fault)
        return tuple(parameter for parameter in found if isinstance(parameter, Parameter))

    def _on_error(self, function: Callable[..., Any], scope: Scope) -> tuple[Parameter, ...]:
        signature = self.signature(function)
        if signature.input.shape != "one" or not fits(Error, signature.input.annotation):
            message = f"The on_error function {function.__name__} does not take an Error"
            self.report(function, Fault("on_error.parameter", message, "Its first parameter is 'error: Error'."))
        return self._resolve(function, signature, scope)

    def _check_settings(self, item: Declaration, bound: Bound) -> None:
        names = [named.name for named in self.signature(bound.logic).named]
        for setting in bound.settings:
            if setting not in names:
                message = f"{bound.logic.name} has no parameter {setting!r} that the setting could be for"
                hint = did_you_mean(setting, names) or "Name it after the star of the function."
                self.report_at(item, "setting.unknown", message, hint)

    def _check_start(self, item: Declaration, steps: tuple[Step, ...], given: Input) -> None:
        for trigger in item.triggers:
            if isinstance(trigger, Subscription) and steps and not takes(given, trigger.record):
                message = (
                    f"{steps[0].name} takes {type_name(given.annotation)}, "
                    f"but {trigger.port} has {type_name(trigger.record)}"
                )
                self.report_at(item, "type.mismatch", message, "Change one of them.")

            if isinstance(trigger, KafkaTrigger) and trigger.connection not in self._declared.connections:
                message = f"{item.name} follows a topic of {trigger.connection}, which product.yaml does not declare"
                hint = did_you_mean(trigger.connection, self._declared.connections) or "Declare the connection there."
                self.report_at(item, "connection.undeclared", message, hint)
            if isinstance(trigger, ScheduleTrigger | OnceTrigger) and given.shape != "none":
                self._check_scheduled(item, steps, trigger, whole(given))

    def _check_scheduled(
        self, item: Declaration, steps: tuple[Step, ...], trigger: ScheduleTrigger | OnceTrigger, wanted: Any
    ) -> None:
        """What a clock gives is known now: it must be what the first logic takes."""
        try:
            msgspec.convert(trigger.payload, wanted)
        except TypeError:
            return  # a type that msgspec does not know, which gets the payload as it stands
        except msgspec.ValidationError as failure:
            told = f"its {trigger.kind} gives {trigger.payload!r}: {failure}"
            message = f"{steps[0].name} takes {type_name(wanted)}, but {told}"
            self.report_at(item, "type.mismatch", message, "Give it a payload=…, or take no value.")

    def _check_payload(self, item: Declaration, steps: tuple[Step, ...], given: Input, *, is_in_batches: bool) -> None:
        """The payload after the star is what the first logic takes, of a batch all of it."""
        follows = any(isinstance(t, Following) for t in item.triggers)
        payload = Any if given.shape == "none" and follows else whole(given) if given.shape != "none" else None
        if given.shape == "one" and is_in_batches:
            payload = union((payload, list[payload]))  # type: ignore[valid-type]
        for step in steps:
            for named in (p for p in (*step.parameters, *step.on_error_parameters) if p.source == "payload"):
                if not fits(payload, named.annotation):
                    message = (
                        f"'payload' of {step.name} is {type_name(named.annotation)}, "
                        f"but the payload of the process {item.name} is {type_name(payload)}"
                    )
                    self.report(step.logic.function, Fault("type.mismatch", message, "Write the type that it has."))

    def _ports(self, item: Declaration, steps: tuple[Step, ...]) -> tuple[set[str], set[str]]:
        """(read, published to), each known to the product's files or reported."""
        reads = {trigger.port for trigger in item.triggers if isinstance(trigger, PortTrigger)}
        publishes: set[str] = set()
        for step in steps:
            for function in filter(None, (step.logic.function, step.on_error)):
                read, published = ports_of(function, function.__module__.rpartition(".")[0] or function.__module__)
                reads, publishes = reads | read, publishes | published
            for port in (setting for setting in step.settings.values() if isinstance(setting, Port)):
                (publishes if isinstance(port, OutputPort) else reads).add(port.id)
        own = {port.id for port in self._declared.outputs}
        self._check_ports(item, reads, own | {port.port for port in self._declared.inputs}, "reads")
        self._check_ports(item, publishes, own, "publishes to")
        return reads, publishes

    def _check_ports(self, item: Declaration, ids: set[str], known: set[str], verb: str) -> None:
        for port in sorted(ids - known):
            message = f"The process {item.name} {verb} {port}, which product.yaml does not declare"
            hint = did_you_mean(port, known) or "Declare it there, then run 'hansa sync'."
            self.report_at(item, "port.undeclared", message, hint)

    def signature(self, of: Logic[..., Any] | Callable[..., Any]) -> Signature:
        """The function's signature; the rules that it breaks are reported once."""
        function = of.function if isinstance(of, Logic) else of
        if function not in self._signatures:
            self._signatures[function] = signature = read_signature(function)
            for fault in signature.faults:
                self.report(function, fault)
        return self._signatures[function]

    def report(self, function: Callable[..., Any], fault: Fault) -> None:
        """A finding at a function."""
        code = function.__code__
        finding = Finding(fault.code, fault.message, fault.hint, self.relative(code.co_filename), code.co_firstlineno)
        if finding not in self.findings:
            self.findings.append(finding)

    def report_at(self, item: Declaration, code: str, message: str, hint: str) -> None:
        """A finding at a process."""
        self.findings.append(Finding(code, message, hint, self.relative(item.file), item.line))


class _Places(Places):
    """Compiles the leaves of one process."""

    def __init__(self, plan: _Plan, item: Declaration) -> None:
        self._plan = plan
        self._item = item

    def step(self, bound: Bound, name: str, reach: Reach) -> Step:
        return self._plan.step(self._item, bound, name, reach)

    def takes(self, logic: Logic[..., Any]) -> Input:
        return self._plan.signature(logic).input

    def returns(self, logic: Logic[..., Any]) -> Any:
        return self._plan.signature(logic).returns

    def report(self, logic: Logic[..., Any] | None, fault: Fault) -> None:
        if logic is None:
            self._plan.report_at(self._item, fault.code, fault.message, fault.hint)
        else:
            self._plan.report(logic.function, fault)
