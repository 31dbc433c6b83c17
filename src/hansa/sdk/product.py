"""`DataProduct`: what a product's `product.py` makes one of, and declares its logic, resources and processes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_args

from hansa.errors import AuthorError
from hansa.model.ids import check_name
from hansa.model.product import RetryPolicy, Trigger
from hansa.sdk.flow import Part, flow_of
from hansa.sdk.logic import Logic
from hansa.sdk.ports import Record
from hansa.sdk.process import Declaration, Durability, Options, Process

P = ParamSpec("P")
R = TypeVar("R")
Old = TypeVar("Old", bound=Record)
New = TypeVar("New", bound=Record)

Triggers = Trigger | Iterable[Trigger]


class DataProduct:
    """One data product: `product = DataProduct(__file__)`, then its logic and processes.

    `processes` holds the compiled form of `declarations`; `hansa.sdk.plan.compile_product` fills it.
    """

    def __init__(self, file: str) -> None:
        self.folder = Path(file).resolve().parent
        self.logics: dict[str, Logic[..., Any]] = {}
        self.resources: dict[str, Callable[[], Any]] = {}
        self.translators: dict[str, Callable[[Any], Any]] = {}
        self.declarations: dict[str, Declaration] = {}
        self.processes: dict[str, Process] = {}

    def logic(self, function: Callable[P, R]) -> Logic[P, R]:
        """Declares a logic: takes one value and returns one; everything else it needs, it names after the star."""
        return self._add(Logic(function, "logic"))

    def aggregator(self, function: Callable[P, R]) -> Logic[P, R]:
        """Declares an aggregator: the closing logic of a process, which makes its result."""
        return self._add(Logic(function, "aggregator"))

    def resource(self, function: Callable[[], R]) -> Callable[[], R]:
        """Declares what is made once per worker, when a logic first names it: a model, a table read into memory."""
        name = check_name(function.__name__, "resource")
        if name in self.resources:
            raise AuthorError("resource.duplicate", f"There are two resources {name!r}", hint="Rename one of them.")
        self.resources[name] = function
        return function

    def translator(self, function: Callable[[Old], New]) -> Callable[[Old], New]:
        """Declares what makes a record of one version of a port into one of another; the window of a contract names it.

        It takes the record and nothing else, keeps the key, and has no effect. One that cannot say in the older version
        what the newer one says raises an error: that record is withheld from the older version.
        """
        name = check_name(function.__name__, "translator")
        if name in self.translators:
            raise AuthorError("translator.duplicate", f"There are two translators {name!r}", hint="Rename one of them.")
        self.translators[name] = function
        return function

    def process(
        self,
        name: str,
        *steps: Part,
        on: Triggers = (),
        use_case: str | None = None,
        tags: Iterable[str] = (),
        timeout_s: float = 180.0,
        retry: RetryPolicy | None = None,
        durability: Durability = "run",
        concurrency: int | None = None,
        description: str = "",
    ) -> None:
        """Composes logic, the last of it an aggregator, and says what starts it. Any process can also be run by hand.

        Steps are worked in order; `parallel(…)`, `each(…)` and `when(…)` stand at one place and hold more of them.

        `timeout_s` is for one attempt. `durability`: "run" puts the commit on disk before the answer, "step" each
        logic's result too, "none" neither. `concurrency` limits the runs at work at the same time.
        """
        caller = sys._getframe(1)
        if check_name(name, "process") in self.declarations:
            raise AuthorError("process.duplicate", f"There are two processes {name!r}", hint="Rename one of them.")
        options = Options(
            use_case=use_case,
            tags=tuple(tags),
            timeout_s=timeout_s,
            retry=retry or RetryPolicy(),
            durability=durability,
            concurrency=concurrency,
            description=description,
        )
        _check_options(name, options)
        self.declarations[name] = Declaration(
            name=name,
            flow=flow_of(steps, f"the process {name!r}"),
            triggers=_triggers(name, on),
            options=options,
            file=caller.f_code.co_filename,
            line=caller.f_lineno,
        )

    def _add(self, logic: Logic[P, R]) -> Logic[P, R]:
        if logic.name in self.logics:
            raise AuthorError("logic.duplicate", f"There are two logics {logic.name!r}", hint="Rename one of them.")
        self.logics[logic.name] = logic
        return logic


def _triggers(process: str, on: object) -> tuple[Trigger, ...]:
    found = tuple(on) if isinstance(on, list | tuple | set) else (on,)
    for trigger in found:
        if not isinstance(trigger, get_args(Trigger)):
            raise AuthorError(
                "process.not_trigger",
                f"on={trigger!r} of the process {process!r} is not a trigger",
                hint="Use on(port), on.event(…), http.post(…), schedule.cron(…), once() or manual().",
            )
    return found


def _check_options(name: str, options: Options) -> None:
    """Raises `AuthorError("process.option")` for a value that no process can have."""
    wrong = {
        "timeout_s": options.timeout_s <= 0,
        "concurrency": options.concurrency is not None and options.concurrency < 1,
        "retry.attempts": options.retry.attempts < 1,
        "durability": options.durability not in get_args(Durability),
    }
    for option in (option for option, is_wrong in wrong.items() if is_wrong):
        raise AuthorError(
            "process.option",
            f"The process {name!r} has {option}={_value(options, option)!r}",
            hint=f"Use one of {', '.join(get_args(Durability))}."
            if option == "durability"
            else "Give a number above 0.",
        )


def _value(options: Options, option: str) -> object:
    value: object = options
    for part in option.split("."):
        value = getattr(value, part)
    return value
