"""What every registry must do; run against each implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

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
    ProductState,
    ScheduleTrigger,
    StepSpec,
)
from hansa.registry.interface import Registry
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import (
    Account,
    AuditFilter,
    Consent,
    Domain,
    GivenConsent,
    Member,
    PortSchema,
    Role,
    SchemaContent,
    SchemaReference,
    SchemaVersion,
    SubjectSettings,
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
    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        self.us += 1
        return self.us


@pytest.fixture(params=["memory", "file"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    made = SqliteRegistry(tmp_path / "registry.db" if request.param == "file" else None, clock_us=Clock())
    made.put_domain("ada", Domain("operations", "Flying", "Ops"))
    made.put_account("ada", Account("ada", name="Ada Lovelace", contact="ada@example.org"))
    yield made
    made.close()


def operations(registry: Registry) -> list[str]:
    return [entry.operation for entry in registry.audit_after(0)]


def refused(call: Callable[[], object]) -> CallerError:
    with pytest.raises(CallerError) as caught:
        call()
    return caught.value


def spec(name: str = "flights", **changes: object) -> ProductSpec:
    return ProductSpec(f"operations.{name}", **{"name": name, **changes})  # type: ignore[arg-type]


def test_a_domain_is_kept_and_changed(registry: Registry) -> None:
    registry.put_domain("bob", Domain("operations", "Flying high", "Ops"))
    registry.put_domain("bob", Domain("operations", "Flying high", "Ops"))
    assert registry.domains() == [registry.domain("operations")] == [Domain("operations", "Flying high", "Ops")]
    last = registry.audit_after(0)[-1]
    assert (last.operation, last.actor, last.target) == ("domain.changed", "bob", "operations")
    assert last.before["description"] == "Flying"
    assert last.after["description"] == "Flying high"


def test_an_unknown_domain_is_refused_with_the_nearest(registry: Registry) -> None:
    error = refused(lambda: registry.domain("operation"))
    assert (error.code, error.hint) == ("domain.unknown", "Did you mean 'operations'?")


@pytest.mark.parametrize(("name", "code"), [("Ops", "id.malformed"), ("docs", "domain.reserved")])
def test_a_bad_domain_name_is_refused(registry: Registry, name: str, code: str) -> None:
    assert refused(lambda: registry.put_domain("ada", Domain(name))).code == code


def test_an_account_may_not_be_named_like_hansa_itself(registry: Registry) -> None:
    assert refused(lambda: registry.put_account("ada", Account("system"))).code == "account.reserved"


def test_who_watches_the_audit_is_told_of_each_entry_and_of_nothing_else(registry: Registry) -> None:
    told: list[int] = []
    end = registry.audit_watch(lambda: told.append(len(registry.audit_after(0))))
    before = len(registry.audit_after(0))
    registry.record("ada", "run.started", "a.b:c")
    registry.put_domain("bob", Domain("freight"))
    refused(lambda: registry.put_domain("ada", Domain("Ops")))
    registry.put_domain("bob", Domain("freight"))
    assert told == [before + 1, before + 2]
    end()
    registry.record("ada", "run.started", "a.b:d")
    assert len(told) == 2


def test_the_audit_knows_no_name_and_no_contact(registry: Registry) -> None:
    registry.put_account("ada", Account("ada", name="Ada King", contact="king@example.org", admin=True))
    entry = registry.audit_after(0)[-1]
    assert entry.detail == "changed: name, contact, admin"
    assert entry.after == {"kind": "person", "admin": True}
    assert "Ada " not in repr(registry.audit_after(0))
    assert "example.org" not in repr(registry.audit_after(0))


def test_an_account_goes_with_its_roles_and_its_tokens(registry: Registry) -> None:
    registry.set_role("bob", "operations", "ada", Role.OWNER)
    registry.add_token("bob", token())
    registry.remove_account("bob", "ada")
    assert registry.accounts() == []
    assert registry.roles() == {}
    assert registry.identity("t1") is None
    registry.put_account("bob", Account("ada"))
    assert registry.identity("t1") is None
    removed = registry.audit_after(0)[-2]
    assert (removed.operation, removed.actor, removed.target) == ("account.removed", "bob", "ada")
    assert refused(lambda: registry.remove_account("bob", "eve")).code == "account.unknown"


def test_the_last_admin_stays_one(registry: Registry) -> None:
    registry.put_account("bob", Account("root", admin=True))
    assert refused(lambda: registry.remove_account("bob", "root")).code == "account.last_admin"
    assert refused(lambda: registry.put_account("bob", Account("root", contact="x"))).code == "account.last_admin"
    registry.put_account("bob", Account("ada", admin=True))
    registry.put_account("bob", Account("root"))
    registry.remove_account("bob", "root")
    assert refused(lambda: registry.remove_account("bob", "ada")).code == "account.last_admin"


def test_the_roles_of_everybody_are_told_at_once(registry: Registry) -> None:
    registry.put_domain("bob", Domain("weather"))
    registry.put_account("bob", Account("bob"))
    for domain, account, role in (("operations", "ada", Role.OWNER), ("weather", "ada", Role.CONSUMER)):
        registry.set_role("bob", domain, account, role)
    registry.set_role("bob", "weather", "bob", Role.DEVELOPER)
    assert registry.roles() == {
        "ada": {"operations": Role.OWNER, "weather": Role.CONSUMER},
        "bob": {"weather": Role.DEVELOPER},
    }


def test_a_role_is_replaced_and_removed(registry: Registry) -> None:
    registry.set_role("bob", "operations", "ada", Role.CONSUMER)
    registry.set_role("bob", "operations", "ada", Role.OWNER)
    registry.set_role("bob", "operations", "ada", Role.OWNER)
    assert registry.members("operations") == [Member("ada", Role.OWNER)]
    registry.remove_role("bob", "operations", "ada")
    registry.remove_role("bob", "operations", "ada")
    assert registry.members("operations") == []
    assert operations(registry)[2:] == ["role.granted", "role.granted", "role.removed"]


def test_a_role_needs_its_domain_and_its_account(registry: Registry) -> None:
    assert refused(lambda: registry.set_role("a", "weather", "ada", Role.OWNER)).code == "domain.unknown"
    assert refused(lambda: registry.set_role("a", "operations", "eve", Role.OWNER)).code == "account.unknown"


def test_a_spec_comes_back_as_it_was(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1", "first")
    assert registry.product("operations.flights").live.spec == FLIGHTS


def test_the_same_hash_makes_no_second_revision(registry: Registry) -> None:
    first = registry.deploy("ada", FLIGHTS, "r1", "b1", "first")
    again = registry.deploy("bob", FLIGHTS, "r1", "b1")
    assert (first.created, first.previous) == (True, None)
    assert (again.created, again.previous, again.revision) == (False, "r1", first.revision)
    assert [revision.number for revision in registry.revisions("operations.flights")] == [1]
    assert operations(registry).count("product.deployed") == 1
    assert "product.updated" not in operations(registry)


def test_a_hash_that_stands_for_other_files_is_refused(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    assert refused(lambda: registry.deploy("ada", FLIGHTS, "r1", "b2")).code == "revision.conflict"


def test_an_update_tells_before_and_after(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    assert registry.deploy("ada", spec(), "r2", "b2", "shorter").previous == "r1"
    entry = registry.audit_after(0)[-1]
    assert (entry.operation, entry.target, entry.detail) == ("product.updated", "operations.flights", "shorter")
    assert entry.before == {"state": "active", "revision": "r1", "number": 1, "bundle": "b1"}
    assert entry.after == {"state": "active", "revision": "r2", "number": 2, "bundle": "b2"}


def test_a_consent_to_breaking_changes_stands_in_the_audit(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1", "why", Consent("nobody reads it", ("a is gone",)))
    entry = registry.audit_after(0)[-1]
    assert entry.after == {
        "state": "active", "revision": "r1", "number": 1, "bundle": "b1",
        "consent": {"reason": "nobody reads it", "changes": ["a is gone"], "forced": True, "given": []},
    }  # fmt: skip


def test_a_product_needs_its_domain(registry: Registry) -> None:
    error = refused(lambda: registry.deploy("ada", ProductSpec("operation.flights", "F"), "r1", "b1"))
    assert (error.code, error.hint) == ("domain.unknown", "Did you mean 'operations'?")
    assert registry.search().products == ()


def test_rolling_back_goes_further_each_time(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.deploy("ada", spec(version=f"{number}.0.0"), f"r{number}", f"b{number}")
    assert registry.rollback("ada", "operations.flights").revision.hash == "r2"
    back = registry.rollback("ada", "operations.flights")
    assert (back.revision.hash, back.previous, back.created) == ("r1", "r2", False)
    assert refused(lambda: registry.rollback("ada", "operations.flights")).code == "revision.first"
    assert registry.rollback("ada", "operations.flights", "r3").revision.hash == "r3"
    assert registry.rollback("ada", "operations.flights").revision.hash == "r1"
    assert len(registry.revisions("operations.flights")) == 3


def test_rolling_back_to_the_live_revision_changes_nothing(registry: Registry) -> None:
    registry.deploy("ada", spec(), "r1", "b1")
    assert registry.rollback("ada", "operations.flights", "r1").revision.hash == "r1"
    assert "product.rolled_back" not in operations(registry)


def test_unknown_revisions_and_products_are_refused(registry: Registry) -> None:
    registry.deploy("ada", spec(), "abcd12", "b1")
    for call in (registry.revision, lambda product, to: registry.rollback("ada", product, to)):
        assert refused(lambda call=call: call("operations.flights", "abcd13")).hint == "Did you mean 'abcd12'?"
        assert refused(lambda call=call: call("operations.flight", "abcd12")).code == "product.unknown"


def test_a_retired_product_keeps_its_revisions_and_comes_back_by_deploying(registry: Registry) -> None:
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


def test_a_state_names_its_successor_and_outlives_a_deploy(registry: Registry) -> None:
    registry.deploy("ada", spec(), "r1", "b1", state=ProductState.DRAFT)
    assert registry.product("operations.flights").state is ProductState.DRAFT
    registry.put_domain("ada", Domain("weather"))
    registry.deploy("ada", replace(spec(), id="weather.hourly"), "w1", "b1")
    moved = registry.set_state("ada", "operations.flights", ProductState.DEPRECATED, "weather.hourly")
    assert (moved.state, moved.successor) == (ProductState.DEPRECATED, "weather.hourly")
    registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
    assert registry.product("operations.flights").state is ProductState.DEPRECATED
    assert (
        refused(lambda: registry.set_state("ada", "operations.flights", ProductState.RETIRED, "weather.hourli")).hint
        == "Did you mean 'weather.hourly'?"
    )
    registry.set_state("ada", "operations.flights", ProductState.RETIRED, "weather.hourly")
    registry.deploy("ada", spec(version="2.0.0"), "r2", "b2")
    assert registry.product("operations.flights").successor is None
    assert {"product.deprecated", "product.retired"} <= set(operations(registry))


def test_a_consent_is_for_one_step_of_one_port_and_is_given_once(registry: Registry) -> None:
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
def test_search_finds_by(registry: Registry, query: dict[str, str]) -> None:
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
def test_search_that_finds_nothing_suggests(registry: Registry, query: dict[str, str], suggestion: str | None) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    found = registry.search(**query)  # type: ignore[arg-type]
    assert found.products == ()
    assert found.suggestion == suggestion


def test_search_follows_the_live_revision(registry: Registry) -> None:
    registry.deploy("ada", spec(tags=("old",)), "r1", "b1")
    registry.deploy("ada", spec(tags=("new",)), "r2", "b2")
    assert registry.tags() == {"new": 1}
    registry.rollback("ada", "operations.flights")
    assert registry.tags() == {"old": 1}


def test_search_puts_ids_first_and_pages(registry: Registry) -> None:
    registry.deploy("ada", spec("airports", description="where flights go"), "r1", "b1")
    registry.deploy("ada", spec("flights"), "r1", "b1")
    pages = [registry.search("flights", limit=1, offset=at).products for at in (0, 1, 2)]
    assert [[product.id for product in page] for page in pages] == [["operations.flights"], ["operations.airports"], []]


def test_a_trigger_is_paused_and_resumed_once(registry: Registry) -> None:
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
def test_a_trigger_that_is_not_there_cannot_be_paused(registry: Registry, process: str, name: str) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    error = refused(lambda: registry.pause_trigger("ada", TriggerKey("operations.flights", process, name)))
    assert error.code == "trigger.unknown"


def test_a_pause_stays_with_its_trigger_wherever_that_stands(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    registry.pause_trigger("ada", LOAD)
    (load,) = FLIGHTS.processes
    turned = replace(FLIGHTS, processes=(replace(load, triggers=load.triggers[::-1]),))
    registry.deploy("ada", turned, "r2", "b2")
    assert registry.paused_triggers() == {LOAD}
    registry.resume_trigger("ada", LOAD)
    assert registry.paused_triggers() == frozenset()


def token(ident: str = "t1") -> Token:
    return Token(ident, "ada", "laptop", b"hash", ("read",), ("operations.flights",), 5, 10)


def test_a_token_is_kept_used_and_revoked(registry: Registry) -> None:
    registry.set_role("ada", "operations", "ada", Role.DEVELOPER)
    registry.add_token("ada", token())
    registry.touch_tokens({"t1": 7, "gone": 8})
    registry.touch_tokens({"t1": 6})
    identity = registry.identity("t1")
    assert identity is not None
    assert (identity.account.contact, identity.roles) == ("ada@example.org", (("operations", Role.DEVELOPER),))
    assert (identity.token.last_used_us, identity.token.revoked_us) == (7, None)
    registry.revoke_token("bob", "t1")
    registry.revoke_token("bob", "t1")
    assert [kept.revoked_us is not None for kept in registry.tokens("ada")] == [True]
    assert operations(registry)[-2:] == ["token.created", "token.revoked"]
    assert registry.identity("t2") is None
    assert registry.tokens("bob") == []


def test_the_audit_does_not_hold_what_helps_to_use_a_token(registry: Registry) -> None:
    registry.add_token("ada", token())
    after = registry.audit_after(0)[-1].after
    assert set(after) == {"account", "name", "scopes", "products", "expires_us"}


def test_the_access_epoch_moves_with_accounts_roles_and_tokens_only(registry: Registry) -> None:
    def moved(call: Callable[[], object]) -> bool:
        before = registry.access_epoch()
        call()
        return registry.access_epoch() > before

    assert moved(lambda: registry.set_role("a", "operations", "ada", Role.OWNER))
    assert moved(lambda: registry.put_account("a", Account("ada", admin=True)))
    assert moved(lambda: registry.add_token("a", token()))
    assert moved(lambda: registry.revoke_token("a", "t1"))
    assert moved(lambda: registry.remove_role("a", "operations", "ada"))
    registry.put_account("a", Account("bob", admin=True))
    assert moved(lambda: registry.remove_account("a", "ada"))
    assert not moved(lambda: registry.deploy("a", FLIGHTS, "r1", "b1"))
    assert not moved(lambda: registry.touch_tokens({"t1": 9}))


def test_what_happened_elsewhere_is_recorded(registry: Registry) -> None:
    entry = registry.record("ada", "run.replayed", "operations.flights:load", {"run": 1}, {"run": 2}, "after the fix")
    assert registry.audit_after(entry.seq - 1) == [entry]
    assert registry.audit_after(entry.seq) == []
    assert (entry.before, entry.after, entry.detail) == ({"run": 1}, {"run": 2}, "after the fix")


def test_the_audit_is_listed_newest_first_in_pages(registry: Registry) -> None:
    for number in range(5):
        registry.record("bob", "run.started", f"operations.flights:p{number}")
    first = registry.audit_list(AuditFilter(actor="bob"), limit=3)
    rest = registry.audit_list(AuditFilter(actor="bob"), limit=3, after=first[-1].seq)
    assert [entry.target[-1] for entry in first + rest] == ["4", "3", "2", "1", "0"]


def test_the_audit_is_filtered_by_what_lies_within_a_target(registry: Registry) -> None:
    targets = [
        "operations.flights",
        "operations.flights:load",
        "operations.flights/departures@1",
        "operations.flightsx",
    ]
    for target in targets:
        registry.record("bob", "run.started", target)
    found = registry.audit_list(AuditFilter(target="operations.flights", operation="run.started"))
    assert [entry.target for entry in reversed(found)] == targets[:3]


def test_the_audit_is_filtered_by_time(registry: Registry) -> None:
    first, second, third = (registry.record("bob", "run.started", "t") for _ in range(3))
    found = registry.audit_list(AuditFilter(since_us=second.time_us, until_us=third.time_us))
    assert found == [second]
    assert first not in found


CONTENT = SchemaContent("AVRO", '"string"', (), {"properties": {"major_version": "1"}})
OTHER = SchemaContent("JSON", "{}", (SchemaReference("a.json", "texts", 1),))


def test_the_same_schema_has_the_same_id_and_each_subject_counts_its_own_versions(registry: Registry) -> None:
    first = registry.add_schema("ada", "texts", CONTENT, after=0)
    assert registry.add_schema("ada", "names", CONTENT, after=0) == SchemaVersion("names", 1, first.id)
    other = registry.add_schema("ada", "texts", OTHER, after=1)
    assert (other.version, other.id == first.id) == (2, False)
    assert (registry.schema(first.id), registry.schema(other.id), registry.schema(99)) == (CONTENT, OTHER, None)
    assert registry.schema_versions("texts") == [first, other]
    assert [use.subject for use in registry.schema_uses(first.id)] == ["names", "texts"]
    assert len(registry.schema_versions()) == 3
    assert registry.schema_referrers("texts", 1) == [other.id]
    assert registry.schema_referrers("texts", 2) == []


def test_a_version_is_added_behind_those_that_whoever_adds_it_has_seen(registry: Registry) -> None:
    registry.add_schema("ada", "texts", CONTENT, after=0)
    assert refused(lambda: registry.add_schema("bob", "texts", OTHER, after=0)).code == "subject.conflict"
    assert [entry.operation for entry in registry.audit_after(0)].count("schema.registered") == 1


def test_numbers_and_ids_of_schemas_are_not_given_again(registry: Registry) -> None:
    first = registry.add_schema("ada", "texts", CONTENT, after=0)
    registry.delete_schemas("ada", "texts", [1], permanent=False)
    assert registry.schema_versions("texts") == [first._replace(is_deleted=True)]
    assert registry.schema(first.id) == CONTENT
    registry.delete_schemas("ada", "texts", [1], permanent=True)
    assert (registry.schema_versions("texts"), registry.schema(first.id)) == ([], None)
    assert registry.schema_count("texts") == 1
    again = registry.add_schema("ada", "texts", CONTENT, after=1)
    assert again.version == 2
    assert again.id > first.id
    told = [entry.operation for entry in registry.audit_list(AuditFilter(target="texts"))]
    assert told == ["schema.registered", "schema.removed", "schema.deleted", "schema.registered"]


def test_a_schema_that_another_subject_has_stays_when_one_takes_it_away(registry: Registry) -> None:
    first = registry.add_schema("ada", "texts", CONTENT, after=0)
    registry.add_schema("ada", "names", CONTENT, after=0)
    registry.delete_schemas("ada", "texts", [1], permanent=True)
    assert registry.schema(first.id) == CONTENT


def test_settings_of_a_subject_are_what_was_set_last(registry: Registry) -> None:
    assert registry.subject_settings("texts") == SubjectSettings()
    registry.set_subject_settings("ada", "texts", SubjectSettings("FULL", "major_version"))
    registry.set_subject_settings("ada", "", SubjectSettings(mode="READONLY"))
    assert registry.subject_settings("texts") == SubjectSettings("FULL", "major_version")
    assert registry.subject_settings("") == SubjectSettings(mode="READONLY")
    registry.add_schema("ada", "texts", CONTENT, after=0)
    assert registry.subject_settings("texts").compatibility == "FULL"
    entry = registry.audit_list(AuditFilter(operation="schema.settings", target="texts"))[0]
    assert (entry.before, entry.after) == ({}, {"compatibility": "FULL", "group": "major_version"})


def test_what_was_derived_for_a_port_is_kept_once_and_versioned_where_it_is_new(registry: Registry) -> None:
    for revision in ("r1", "r2", "r3"):
        registry.deploy("ada", FLIGHTS, revision, f"b{revision}")
    port, line = "operations.flights/departures@1", "operations.flights/departures#value"
    found = [
        PortSchema(revision, port, "value", line, content)
        for revision, content in (("r1", CONTENT), ("r2", CONTENT), ("r3", None))
    ]
    registry.add_port_schemas("system", FLIGHTS.id, found)
    (only,) = registry.schema_versions(line)
    kept = {("r1", port, "value"): only.id, ("r2", port, "value"): only.id, ("r3", port, "value"): None}
    assert registry.port_schemas(FLIGHTS.id) == kept
    registry.add_port_schemas("system", FLIGHTS.id, [PortSchema("r1", port, "value", line, OTHER)])
    assert registry.port_schemas(FLIGHTS.id) == kept
    assert registry.schema_versions(line) == [only]


def test_an_untouched_audit_verifies(registry: Registry) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    assert registry.audit_verify() == (3, None)


def test_a_backup_opens_and_verifies(registry: Registry, tmp_path: Path) -> None:
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    registry.backup(tmp_path / "copy.db")
    registry.set_state("ada", "operations.flights", ProductState.RETIRED)
    copy = SqliteRegistry(tmp_path / "copy.db")
    assert copy.product("operations.flights").state is ProductState.ACTIVE
    assert copy.audit_verify() == (3, None)
    copy.close()
    assert refused(lambda: registry.backup(tmp_path / "copy.db")).code == "backup.exists"
    assert sorted(file.name for file in tmp_path.glob("copy*")) == ["copy.db"]
