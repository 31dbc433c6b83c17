"""What the suite of registries works with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hansa.errors import CallerError
from hansa.model.product import (
    ContractSpec,
    EventTrigger,
    HttpTrigger,
    ManualTrigger,
    OnceTrigger,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ScheduleTrigger,
    StepSpec,
)
from hansa.registry.interface import Registry
from hansa.registry.values import (
    Token,
    TriggerKey,
)

FLIGHTS = ProductSpec(
    "operations.flights",
    "Flights",
    "Departures as they happen",
    owner="Ops",
    tags=("Aviation",),
    outputs=(
        OutputPortSpec(
            "operations.flights/departures@1",
            "departures",
            "1.0.0",
            PortKind.STREAM,
            ContractSpec("departures", "1.0.0", ()),
        ),
    ),
    processes=(
        ProcessSpec(
            "load",
            (StepSpec("read", "read", {"chunk": 10}),),
            (
                HttpTrigger("POST", "/operations/flights/load", body_schema={"type": "object"}),
                PortTrigger("weather.stations/hourly@1", batch=100, where={"origin": "JFK"}),
                EventTrigger("landed", where={"delay": 5}),
                ScheduleTrigger(every_s=60.0, payload=[1]),
                OnceTrigger(payload={"a": None}),
                ManualTrigger(),
            ),
            use_case="Intake",
            tags=("nightly",),
        ),
    ),
)
LOAD = TriggerKey("operations.flights", "load", "schedule:every 60")


class Clock:
    """A clock that goes on by a microsecond whenever it is asked, and else when it is told to."""

    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        self.us += 1
        return self.us

    def go_on(self, seconds: float) -> None:
        """So many seconds go by."""
        self.us += int(seconds * 1_000_000)


def operations(registry: Registry) -> list[str]:
    return [entry.operation for entry in registry.audit_after(0)]


def refused(call: Callable[[], object]) -> CallerError:
    with pytest.raises(CallerError) as caught:
        call()
    return caught.value


def spec(name: str = "flights", **changes: object) -> ProductSpec:
    return ProductSpec(f"operations.{name}", **{"name": name, **changes})  # type: ignore[arg-type]


def token(ident: str = "t1") -> Token:
    """A token of `ada`."""
    return Token(ident, "ada", "laptop", b"hash", ("read",), ("operations.flights",), 5, 10)
