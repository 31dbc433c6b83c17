"""Products, revisions, search and paused triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from hansa.model.product import (
    ProductSpec,
    ProductState,
)
from hansa.registry.interface import Registry
from hansa.registry.values import (
    Consent,
    Domain,
    GivenConsent,
    Live,
    TriggerKey,
)
from hansa.testing.conformance_registry.given import FLIGHTS, LOAD, operations, refused, spec


class ProductsConformance:
    """Products, revisions, search and paused triggers."""

    def test_a_spec_comes_back_as_it_was(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1", "first")
        assert registry.product("operations.flights").live.spec == FLIGHTS

    def test_the_same_hash_makes_no_second_revision(self, registry: Registry) -> None:
        first = registry.deploy("ada", FLIGHTS, "r1", "b1", "first")
        again = registry.deploy("bob", FLIGHTS, "r1", "b1")
        assert (first.created, first.previous) == (True, None)
        assert (again.created, again.previous, again.revision) == (False, "r1", first.revision)
        assert [revision.number for revision in registry.revisions("operations.flights")] == [1]
        assert operations(registry).count("product.deployed") == 1
        assert "product.updated" not in operations(registry)

    def test_a_hash_that_stands_for_other_files_is_refused(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        assert refused(lambda: registry.deploy("ada", FLIGHTS, "r1", "b2")).code == "revision.conflict"

    def test_an_update_tells_before_and_after(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        assert registry.deploy("ada", spec(), "r2", "b2", "shorter").previous == "r1"
        entry = registry.audit_after(0)[-1]
        assert (entry.operation, entry.target, entry.detail) == ("product.updated", "operations.flights", "shorter")
        assert entry.before == {"state": "active", "revision": "r1", "number": 1, "bundle": "b1"}
        assert entry.after == {"state": "active", "revision": "r2", "number": 2, "bundle": "b2"}

    def test_a_consent_to_breaking_changes_stands_in_the_audit(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1", "why", Consent("nobody reads it", ("a is gone",)))
        entry = registry.audit_after(0)[-1]
        assert entry.after == {
            "state": "active", "revision": "r1", "number": 1, "bundle": "b1",
            "consent": {"reason": "nobody reads it", "changes": ["a is gone"], "forced": True, "given": []},
        }  # fmt: skip

    def test_a_product_needs_its_domain(self, registry: Registry) -> None:
        error = refused(lambda: registry.deploy("ada", ProductSpec("operation.flights", "F"), "r1", "b1"))
        assert (error.code, error.hint) == ("domain.unknown", "Did you mean 'operations'?")
        assert registry.search().products == ()

    def test_rolling_back_goes_further_each_time(self, registry: Registry) -> None:
        for number in (1, 2, 3):
            registry.deploy("ada", spec(version=f"{number}.0.0"), f"r{number}", f"b{number}")
        assert registry.rollback("ada", "operations.flights").revision.hash == "r2"
        back = registry.rollback("ada", "operations.flights")
        assert (back.revision.hash, back.previous, back.created) == ("r1", "r2", False)
        assert refused(lambda: registry.rollback("ada", "operations.flights")).code == "revision.first"
        assert registry.rollback("ada", "operations.flights", "r3").revision.hash == "r3"
        assert registry.rollback("ada", "operations.flights").revision.hash == "r1"
        assert len(registry.revisions("operations.flights")) == 3

    def test_rolling_back_to_the_live_revision_changes_nothing(self, registry: Registry) -> None:
        registry.deploy("ada", spec(), "r1", "b1")
        assert registry.rollback("ada", "operations.flights", "r1").revision.hash == "r1"
        assert "product.rolled_back" not in operations(registry)

    def test_what_is_live_is_told_of_all_at_once(self, registry: Registry) -> None:
        for number in (1, 2):
            registry.deploy("ada", spec(version=f"{number}.0.0"), f"r{number}", "b")
        registry.deploy("ada", spec("airports"), "a1", "b1", state=ProductState.DRAFT)
        registry.rollback("ada", "operations.flights")
        registry.set_state("ada", "operations.flights", ProductState.RETIRED, "operations.airports")
        flights = Live("operations.flights", ProductState.RETIRED, "r1", "operations.airports")
        assert registry.live() == [Live("operations.airports", ProductState.DRAFT, "a1", None), flights]
        assert Live.of(registry.product("operations.flights")) == flights

    def test_unknown_revisions_and_products_are_refused(self, registry: Registry) -> None:
        registry.deploy("ada", spec(), "abcd12", "b1")
        calls: list[Callable[[str, str], object]] = [registry.revision, partial(registry.rollback, "ada")]
        for call in calls:
            assert refused(partial(call, "operations.flights", "abcd13")).hint == "Did you mean 'abcd12'?"
            assert refused(partial(call, "operations.flight", "abcd12")).code == "product.unknown"

    def test_a_retired_product_keeps_its_revisions_and_comes_back_by_deploying(self, registry: Registry) -> None:
        registry.deploy("ada", spec(), "r1", "b1")
        registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
        registry.set_state("ada", "operations.flights", ProductState.RETIRED)
        registry.set_state("ada", "operations.flights", ProductState.RETIRED)
        assert registry.product("operations.flights").state is ProductState.RETIRED
        assert refused(lambda: registry.rollback("ada", "operations.flights")).code == "product.retired"
        registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
        assert registry.product("operations.flights").state is ProductState.ACTIVE
        assert registry.rollback("ada", "operations.flights").revision.hash == "r1"
        assert operations(registry).count("product.retired") == 1

    def test_a_state_names_its_successor_and_outlives_a_deploy(self, registry: Registry) -> None:
        registry.deploy("ada", spec(), "r1", "b1", state=ProductState.DRAFT)
        assert registry.product("operations.flights").state is ProductState.DRAFT
        registry.put_domain("ada", Domain("weather"))
        registry.deploy("ada", replace(spec(), id="weather.hourly"), "w1", "b1")
        moved = registry.set_state("ada", "operations.flights", ProductState.DEPRECATED, "weather.hourly")
        assert (moved.state, moved.successor) == (ProductState.DEPRECATED, "weather.hourly")
        registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
        assert registry.product("operations.flights").state is ProductState.DEPRECATED
        assert (
            refused(
                lambda: registry.set_state("ada", "operations.flights", ProductState.RETIRED, "weather.hourli")
            ).hint
            == "Did you mean 'weather.hourly'?"
        )
        registry.set_state("ada", "operations.flights", ProductState.RETIRED, "weather.hourly")
        registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
        assert registry.product("operations.flights").successor is None
        assert {"product.deprecated", "product.retired"} <= set(operations(registry))

    def test_a_consent_is_for_one_step_of_one_port_and_is_given_once(self, registry: Registry) -> None:
        registry.deploy("ada", spec(), "r1", "b1")
        given = GivenConsent("operations.flights/departures@1", "r1", "r2", "domain", "weather", "We are ready")
        registry.give_consent("wanda", given)
        registry.give_consent("wilma", replace(given, reason="Again"))
        [kept] = registry.consents("operations.flights", "r2")
        assert registry.consents("operations.flights") == [kept]
        assert (kept.actor, kept.reason, kept.of) == ("wanda", "We are ready", "weather")
        assert registry.consents("operations.flights", "r3") == registry.consents("operations.flight", "r2") == []
        assert operations(registry).count("consent.given") == 1
        unknown = replace(given, port="operations.flight/departures@1")
        assert refused(lambda: registry.give_consent("wanda", unknown)).code == "product.unknown"

    @pytest.mark.parametrize(
        "query",
        [
            {"text": "FLIGHTS happen"},
            {"text": "depart"},
            {"text": "intake"},
            {"text": "nightly"},
            {"tag": "aviation"},
            {"tag": "nightly", "owner": "ops"},
            {"domain": "operations", "state": ProductState.ACTIVE},
            {},
        ],
    )
    def test_search_finds_by(self, registry: Registry, query: dict[str, str]) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        assert [product.id for product in registry.search(**query).products] == ["operations.flights"]  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("query", "suggestion"),
        [
            ({"text": "fligths"}, "Did you mean 'flights'?"),
            ({"tag": "aviaton"}, "Did you mean 'aviation'?"),
            ({"owner": "opps"}, "Did you mean 'ops'?"),
            ({"domain": "operation"}, "Did you mean 'operations'?"),
            ({"text": "zzz"}, None),
            ({"state": ProductState.RETIRED}, None),
            ({"text": "flights", "tag": "nothing_like_it"}, None),
        ],
    )
    def test_search_that_finds_nothing_suggests(
        self, registry: Registry, query: dict[str, str], suggestion: str | None
    ) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        found = registry.search(**query)  # type: ignore[arg-type]
        assert found.products == ()
        assert found.suggestion == suggestion

    def test_search_follows_the_live_revision(self, registry: Registry) -> None:
        registry.deploy("ada", spec(tags=("old",)), "r1", "b1")
        registry.deploy("ada", spec(tags=("new",)), "r2", "b2")
        assert registry.tags() == {"new": 1}
        registry.rollback("ada", "operations.flights")
        assert registry.tags() == {"old": 1}

    def test_search_puts_ids_first_and_pages(self, registry: Registry) -> None:
        registry.deploy("ada", spec("airports", description="where flights go"), "r1", "b1")
        registry.deploy("ada", spec("flights"), "r1", "b1")
        pages = [registry.search("flights", limit=1, offset=at).products for at in (0, 1, 2)]
        assert [[product.id for product in page] for page in pages] == [
            ["operations.flights"],
            ["operations.airports"],
            [],
        ]

    def test_a_trigger_is_paused_and_resumed_once(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        registry.pause_trigger("ada", LOAD)
        registry.pause_trigger("ada", LOAD)
        assert registry.paused_triggers() == {LOAD}
        registry.resume_trigger("ada", LOAD)
        registry.resume_trigger("ada", LOAD)
        assert registry.paused_triggers() == frozenset()
        assert operations(registry)[-2:] == ["trigger.paused", "trigger.resumed"]
        assert registry.audit_after(0)[-1].target == "operations.flights:load#schedule:every 60"

    @pytest.mark.parametrize(("process", "name"), [("load", "event:landing"), ("load", "0"), ("lode", "manual")])
    def test_a_trigger_that_is_not_there_cannot_be_paused(self, registry: Registry, process: str, name: str) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        error = refused(lambda: registry.pause_trigger("ada", TriggerKey("operations.flights", process, name)))
        assert error.code == "trigger.unknown"

    def test_a_pause_stays_with_its_trigger_wherever_that_stands(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        registry.pause_trigger("ada", LOAD)
        (load,) = FLIGHTS.processes
        turned = replace(FLIGHTS, processes=(replace(load, triggers=load.triggers[::-1]),))
        registry.deploy("ada", turned, "r2", "b2")
        assert registry.paused_triggers() == {LOAD}
        registry.resume_trigger("ada", LOAD)
        assert registry.paused_triggers() == frozenset()
