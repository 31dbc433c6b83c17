"""Plan: a loaded product is checked against its files and compiled, before anything of it runs.

The checks name every finding at once, in words, with file and line. What passes is also what the runtime works with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from hansa.model.ids import did_you_mean
from hansa.model.product import HttpTrigger, ManualTrigger, PortTrigger, ProductSpec
from hansa.sdk.describe import complete_trigger, describe_logic, describe_process
from hansa.sdk.finding import Finding
from hansa.sdk.fit import element, fits, members, result_of, type_name
from hansa.sdk.handles import ports_of
from hansa.sdk.logic import Bound, Logic
from hansa.sdk.ports import OutputPort, Port
from hansa.sdk.process import Declaration, Input, Parameter, Process, Step
from hansa.sdk.product import DataProduct
from hansa.sdk.resolve import Scope, resolve
from hansa.sdk.signature import Fault, Signature, read_signature
from hansa.sdk.triggers import Subscription, path_names
from hansa.sdk.values import Error


def compile_product(product: DataProduct, declared: ProductSpec) -> tuple[ProductSpec, list[Finding]]:
    """Compiles every process into `product.processes` and describes the revision; `declared` is what its YAML files
    say.

    With findings the product must not be deployed: what they speak of is compiled as far as it can be.
    """
    plan = _Plan(product, declared)
    product.processes = {name: plan.process(item) for name, item in product.declarations.items()}
    plan.check_resources()
    used = [step.logic for process in product.processes.values() for step in process.steps if not step.logic.builtin]
    logics = {logic.name: logic for logic in (*product.logics.values(), *used)}
    spec = replace(
        declared,
        logic=tuple(describe_logic(logic, plan.relative(logic.file)) for logic in logics.values()),
        processes=tuple(describe_process(process) for process in product.processes.values()),
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
        steps, returns = self._steps(item)
        self._check_start(item, steps)
        self._check_chain(steps, returns)
        reads, publishes = self._ports(item, steps)
        options = item.options
        return Process(
            name=item.name,
            steps=steps,
            triggers=self._triggers(item, steps, returns),
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

    def relative(self, file: str) -> str:
        """The path within the product's folder, or the file's name where it is elsewhere."""
        path = Path(file)
        return path.relative_to(self._product.folder).as_posix() if self._product.folder in path.parents else path.name

    def check_resources(self) -> None:
        """A resource is made before any run, so that nothing can be given to it."""
        for name, function in self._product.resources.items():
            if inspect.signature(function).parameters:
                message = f"The resource {name} takes parameters; nothing can give them"
                self._report(function, Fault("resource.parameters", message, "Take them away."))

    def _triggers(self, item: Declaration, steps: tuple[Step, ...], returns: list[Any]) -> tuple[Any, ...]:
        first, last = (steps[0].input, returns[-1]) if steps else (Input(), Any)
        return tuple(complete_trigger(trigger, self._declared.id, first, last) for trigger in item.triggers)

    def _check_order(self, item: Declaration) -> None:
        if not item.bound:
            self._report_at(item, "process.empty", f"The process {item.name} has no logic", "Give it at least one.")
            return
        for bound in item.bound[:-1]:
            if bound.logic.kind == "aggregator":
                message = f"The aggregator {bound.logic.name} is not the last of the process {item.name}"
                self._report_at(item, "process.aggregator_early", message, "Put it at the end, or make it a logic.")
        last = item.bound[-1].logic
        if last.kind != "aggregator":
            message = f"The process {item.name} ends in the logic {last.name}, not in an aggregator"
            hint = "End it with publish_to(port), reply or a function decorated with @product.aggregator."
            self._report_at(item, "process.no_aggregator", message, hint)

    def _steps(self, item: Declaration) -> tuple[tuple[Step, ...], list[Any]]:
        """The steps, and by their side what each returns."""
        steps: list[Step] = []
        returns: dict[str, Any] = {}
        for bound in item.bound:
            self._check_settings(item, bound)
            step = self._step(bound, _unique(bound.logic.name, returns), self._scope(item, bound, returns))
            steps.append(step)
            returned = self._signature(bound.logic).returns
            passes_on = bound.logic.builtin and returned is Any and returns
            returns[step.name] = list(returns.values())[-1] if passes_on else returned
        return tuple(steps), list(returns.values())

    def _step(self, bound: Bound, name: str, scope: Scope) -> Step:
        logic = bound.logic
        signature = self._signature(logic)
        parameters = self._resolve(logic.function, signature, scope)
        on_error = logic.on_error_function
        return Step(
            name=name,
            logic=logic,
            settings=bound.settings,
            parameters=parameters,
            input=signature.input,
            on_error=on_error,
            on_error_parameters=self._on_error(on_error, scope) if on_error else (),
        )

    def _scope(self, item: Declaration, bound: Bound, results: dict[str, Any]) -> Scope:
        paths = [frozenset(path_names(t.path)) for t in item.triggers if isinstance(t, HttpTrigger)]
        others = [t for t in item.triggers if not isinstance(t, HttpTrigger | ManualTrigger)]
        return Scope(
            path=frozenset().union(*paths),
            path_always=frozenset.intersection(*paths) if paths and not others else frozenset(),
            is_http=bool(paths),
            is_only_http=bool(paths) and not others,
            resources=self._product.resources,
            connections=self._declared.connections,
            results=dict(results),
            settings=bound.settings,
        )

    def _resolve(self, function: Callable[..., Any], signature: Signature, scope: Scope) -> tuple[Parameter, ...]:
        found = [resolve(named, scope, function.__name__) for named in signature.named]
        for fault in found:
            if isinstance(fault, Fault):
                self._report(function, fault)
        return tuple(parameter for parameter in found if isinstance(parameter, Parameter))

    def _on_error(self, function: Callable[..., Any], scope: Scope) -> tuple[Parameter, ...]:
        signature = self._signature(function)
        if signature.input.shape != "one" or not fits(Error, signature.input.annotation):
            message = f"The on_error function {function.__name__} does not take an Error"
            self._report(function, Fault("on_error.parameter", message, "Its first parameter is 'error: Error'."))
        return self._resolve(function, signature, scope)

    def _check_settings(self, item: Declaration, bound: Bound) -> None:
        names = [named.name for named in self._signature(bound.logic).named]
        for setting in bound.settings:
            if setting not in names:
                message = f"{bound.logic.name} has no parameter {setting!r} that the setting could be for"
                hint = did_you_mean(setting, names) or "Name it after the star of the function."
                self._report_at(item, "setting.unknown", message, hint)

    def _check_start(self, item: Declaration, steps: tuple[Step, ...]) -> None:
        for trigger in item.triggers:
            if isinstance(trigger, Subscription) and steps and not _takes(steps[0].input, trigger.record):
                message = (
                    f"{steps[0].name} takes {type_name(steps[0].input.annotation)}, "
                    f"but {trigger.port} has {type_name(trigger.record)}"
                )
                self._report_at(item, "type.mismatch", message, "Change one of them.")

    def _check_chain(self, steps: tuple[Step, ...], returns: list[Any]) -> None:
        for (before, after), returned in zip(pairwise(steps), returns, strict=False):
            given = result_of(returned)
            if not _takes(after.input, given):
                message = (
                    f"{before.name} returns {type_name(given)}, "
                    f"but {after.name} after it takes {type_name(after.input.annotation)}"
                )
                self._report(before.logic.function, Fault("type.mismatch", message, "Change one of them."))

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
            self._report_at(item, "port.undeclared", message, hint)

    def _signature(self, of: Logic[..., Any] | Callable[..., Any]) -> Signature:
        """The function's signature; the rules that it breaks are reported once."""
        function = of.function if isinstance(of, Logic) else of
        if function not in self._signatures:
            self._signatures[function] = signature = read_signature(function)
            for fault in signature.faults:
                self._report(function, fault)
        return self._signatures[function]

    def _report(self, function: Callable[..., Any], fault: Fault) -> None:
        code = function.__code__
        finding = Finding(fault.code, fault.message, fault.hint, self.relative(code.co_filename), code.co_firstlineno)
        if finding not in self.findings:
            self.findings.append(finding)

    def _report_at(self, item: Declaration, code: str, message: str, hint: str) -> None:
        self.findings.append(Finding(code, message, hint, self.relative(item.file), item.line))


def _unique(name: str, taken: dict[str, Any]) -> str:
    """`name`, or with `_2`, `_3`, … where it stands in the process already."""
    if name not in taken:
        return name
    return next(numbered for n in range(2, len(taken) + 2) if (numbered := f"{name}_{n}") not in taken)


def _takes(wanted: Input, given: Any) -> bool:
    """False where the step surely cannot take it: as it stands, lifted over a list, or as a batch of one."""
    if wanted.shape in ("none", "arrow", "polars"):
        return True
    inner = [found for member in members(given) if (found := element(member)) is not None]
    return any(fits(candidate, wanted.annotation) for candidate in (given, *inner))
