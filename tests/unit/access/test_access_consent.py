"""Whose consent a breaking change takes."""

from __future__ import annotations

from hansa.access.consent import Broken, consents_needed, with_given
from hansa.registry.values import GivenConsent

PORT, OTHER = "ops.flights/departures@1", "ops.flights/delays@1"


def test_one_consent_for_each_domain_and_each_account_that_would_break() -> None:
    broken = [
        Broken(PORT, "ana.delays:join", "ana"),
        Broken(PORT, "ana.outlook:count", "ana"),
        Broken(PORT, "wea.mirror", "wea"),
        Broken(PORT, "bob", None),
    ]
    needed = consents_needed([PORT], broken, "ops")
    assert [(one.kind, one.of, one.readers) for one in needed] == [
        ("account", "bob", ("bob",)),
        ("domain", "ana", ("ana.delays:join", "ana.outlook:count")),
        ("domain", "wea", ("wea.mirror",)),
    ]


def test_a_port_that_nobody_is_known_to_read_takes_its_own_domain() -> None:
    needed = consents_needed([PORT, OTHER], [Broken(PORT, "ana.delays:join", "ana")], "ops")
    assert [(one.port, one.of) for one in needed] == [(OTHER, "ops"), (PORT, "ana")]
    assert consents_needed([], [], "ops") == []


def test_a_consent_counts_for_its_port_and_its_domain_alone() -> None:
    needed = consents_needed([PORT], [Broken(PORT, "a.b:c", "a"), Broken(PORT, "d.e:f", "d")], "ops")
    given = [
        GivenConsent(PORT, "r1", "r2", "domain", "a", "ready", "olga"),
        GivenConsent(OTHER, "r1", "r2", "domain", "d", "ready", "olga"),
        GivenConsent(PORT, "r1", "r2", "account", "d", "ready", "d"),
    ]
    assert [(one.of, one.given_by) for one in with_given(needed, given)] == [("a", "olga"), ("d", None)]
