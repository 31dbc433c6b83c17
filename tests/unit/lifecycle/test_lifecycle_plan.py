"""A plan: what refuses it, what its hash stands for, and by what it may be deployed."""

from __future__ import annotations

import msgspec
import pytest

from hansa.errors import CallerError, PlanError
from hansa.lifecycle.changes import Change
from hansa.lifecycle.consumers import Consumer
from hansa.lifecycle.deploy import consent_to
from hansa.lifecycle.plan import Expected, Plan, planned
from hansa.lifecycle.planner import touched
from hansa.model.product import (
    ContractSpec,
    LogicSpec,
    OutputPortSpec,
    PortKind,
    ProcessSpec,
    ProductSpec,
    ProductState,
    StepSpec,
)
from hansa.registry.values import GivenConsent

PORT = "ops.flights/departures@1"
SPEC = ProductSpec("ops.flights", "Flights")
GONE = Change("breaking", "port", PORT, f"in {PORT}, note is gone", "note", "field.removed")
JOIN = Consumer(PORT, 1, "ana.delays:join", "process", "breaks", "it uses note", "subscription", "", ("note",))
SAFE = Consumer(PORT, 1, "wea.mirror:copy", "process", by="lookup", fields=("origin",))


def plan(*given: GivenConsent, behind: tuple[Consumer, ...] = (JOIN,), expected: tuple[Expected, ...] = ()) -> Plan:
    made = [GONE] if not expected else []
    return planned(SPEC, "c" * 16, "r1", ProductState.ACTIVE, made, behind, expected, given)


def given(since: str = "r1", of: str = "ana") -> GivenConsent:
    return GivenConsent(PORT, since, "c" * 16, "domain", of, "ready", "anna")


def test_a_break_is_refused_naming_field_consumer_and_why() -> None:
    [finding] = plan(behind=(JOIN, SAFE)).findings
    assert finding.message == f"in {PORT}, note is gone; hits ana.delays:join (it uses note)"
    assert (
        finding.hint
        == f"Make it a new major of the port, or ask for the consent: hansa consent {PORT} --candidate {'c' * 16}"
    )
    [safe] = plan(behind=(SAFE,)).findings
    assert safe.message.endswith("read by wea.mirror:copy, whom it does not hit")
    [unread] = plan(behind=()).findings
    assert unread.message.endswith("nobody is known to read it")


def test_all_consents_for_exactly_this_step_let_it_pass() -> None:
    assert plan(given()).findings == []
    assert plan(given(since="r0")).findings != []
    assert plan(given(of="wea")).findings != []
    consent = consent_to(plan(given()), "", "")
    assert consent is not None
    assert (consent.forced, consent.given, consent.changes) == (False, ("anna for domain ana",), (GONE.text,))


def test_an_expectation_that_fails_takes_its_consumers_consent() -> None:
    failed = Expected(PORT, "ana.delays", "delay_min", "dry run of 3 records", ("delay_min is above 100",))
    [finding] = plan(expected=(failed,)).findings
    assert finding.code == "expectation.failed"
    assert finding.message == f"ana.delays expects of {PORT}: delay_min is above 100 (dry run of 3 records)"
    assert plan(given(), expected=(failed,)).findings == []
    kept = msgspec.structs.replace(failed, failures=())
    assert plan(expected=(kept,), behind=()).findings == []


def test_a_reason_forces_it_and_is_kept_as_forced() -> None:
    with pytest.raises(PlanError, match=r"contract\.incompatible"):
        consent_to(plan(), "", "  ")
    consent = consent_to(plan(), "", "nobody uses it")
    assert consent is not None
    assert (consent.reason, consent.forced) == ("nobody uses it", True)
    nothing = planned(SPEC, "c" * 16, "r1", ProductState.ACTIVE, [], (), (), ())
    assert consent_to(nothing, nothing.hash, "a reason for nothing") is None


def test_the_hash_moves_with_what_matters_and_not_with_time_or_consents() -> None:
    one = plan()
    later = plan(behind=(msgspec.structs.replace(JOIN, last_us=99),))
    assert one.hash == later.hash == plan(given()).hash
    assert one.hash != plan(behind=(JOIN, SAFE)).hash
    with pytest.raises(CallerError, match=r"plan\.stale"):
        consent_to(one, "0" * 16, "forced")


def test_the_ports_that_a_plan_looks_behind_are_those_that_change_and_those_of_changed_code() -> None:
    port = OutputPortSpec(PORT, "departures", "1.0.0", PortKind.STREAM, ContractSpec("d", "1.0.0", ()))
    load = ProcessSpec("load", (StepSpec("read", "read"),), publishes=(PORT,))
    old = ProductSpec(
        "ops.flights", "F", outputs=(port,), processes=(load,), logic=(LogicSpec("read", "logic", "", "", 1, "a"),)
    )
    assert touched(old, old, [Change("changed", "logic", "read", "")]) == [PORT]
    assert touched(old, old, [Change("changed", "process", "load", "")]) == [PORT]
    assert touched(old, old, [Change("changed", "logic", "other", "")]) == []
    assert touched(old, old, [GONE]) == [PORT]
    assert touched(None, old, [GONE]) == []
