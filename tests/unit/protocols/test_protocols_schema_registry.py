"""The schema registry over a registry in memory: subjects of ports and free ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hansa.contracts.custom import Window
from hansa.errors import HansaError
from hansa.model.product import CompatibilityMode, ContractSpec, FieldSpec, OutputPortSpec, PortKind, ProductSpec
from hansa.protocols.schema_registry.registry import SchemaRegistry, with_compatibility, with_mode
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Domain, SchemaContent, SchemaReference

PRODUCT = "air.flights"
ID, MINUTES = FieldSpec("id", "string", required=True), FieldSpec("minutes", "integer", required=True)
NOTE, SECONDS = FieldSpec("note", "string"), FieldSpec("seconds", "integer", required=True)
ONE, ONE_MORE, TWO = (ID, MINUTES), (ID, MINUTES, NOTE), (ID, SECONDS)
WINDOW = Window(1, '{"id": id, "seconds": minutes * 60}', '{"id": id, "minutes": seconds / 60}')


def port(major: int, fields: tuple[FieldSpec, ...], **contract: Any) -> OutputPortSpec:
    spec = ContractSpec("departures", f"{major}.0.0", fields, ("id",), **contract)
    return OutputPortSpec(f"{PRODUCT}/departures@{major}", "departures", f"{major}.0.0", PortKind.STREAM, spec)


@pytest.fixture
def store() -> Iterator[SqliteRegistry]:
    made = SqliteRegistry(None)
    made.put_domain("ada", Domain("air"))
    yield made
    made.close()


@pytest.fixture
def registry(store: SqliteRegistry) -> SchemaRegistry:
    return SchemaRegistry(store, lambda _: {f"{PRODUCT}/departures@2": WINDOW})


def deploy(store: SqliteRegistry, registry: SchemaRegistry, revision: str, *ports: OutputPortSpec) -> None:
    """Deploys a revision with those ports, and says so to the schema registry, as the mesh does."""
    store.deploy("ada", ProductSpec(PRODUCT, "Flights", outputs=ports), revision, f"b{revision}")
    registry.forget()


def record(name: str, *fields: tuple[str, Any]) -> SchemaContent:
    members = [{"name": field, "type": kind} for field, kind in fields]
    return SchemaContent("AVRO", json.dumps({"type": "record", "name": name, "fields": members}))


A = record("A", ("a", "int"))
AB = record("A", ("a", "int"), ("b", "int"))
A_OR_NULL = record("A", ("a", ["null", "int"]))


def refused(call: Callable[[], object]) -> HansaError:
    with pytest.raises(HansaError) as caught:
        call()
    return caught.value


def subject(major: int, part: str = "value") -> str:
    return f"air-flights-departures-v{major}-{part}"


# Ports


def test_each_contract_of_a_port_is_a_version_and_the_live_one_the_latest(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    for revision, fields in (("r1", ONE), ("r2", ONE_MORE), ("r3", ONE_MORE)):
        deploy(store, registry, revision, port(1, fields))
    found = registry.subject(subject(1))
    assert [entry.version for entry in found.entries] == [1, 2]
    assert found.latest == found.entries[1]
    store.rollback("ada", PRODUCT, "r1")
    registry.forget()
    assert registry.subject(subject(1)).latest == found.entries[0]
    assert [one.name for one in registry.names()] == [subject(1, "key"), subject(1)]


def test_all_majors_have_one_line_of_versions_and_each_its_own_latest(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    deploy(store, registry, "r1", port(1, ONE))
    before = registry.subject(subject(1))
    deploy(store, registry, "r2", port(1, ONE), port(2, TWO))
    deploy(store, registry, "r3", port(1, ONE_MORE), port(2, TWO))
    one, two = registry.subject(subject(1)), registry.subject(subject(2))
    assert one.entries == two.entries
    assert one.entries[:1] == before.entries
    majors = [entry.property("major_version") for entry in one.entries]
    assert majors == ["1", "2", "1"]
    assert (one.latest, two.latest) == (one.entries[2], one.entries[1])
    assert one.with_metadata({"major_version": "2"}) == two.latest
    ways = [{rule["mode"]: rule["expr"] for rule in e.content.rules["migrationRules"]} for e in one.entries[1:]]
    assert ways == [
        {"UPGRADE": WINDOW.upgrade, "DOWNGRADE": WINDOW.downgrade},
        {"UPGRADE": WINDOW.downgrade, "DOWNGRADE": WINDOW.upgrade},
    ]


def test_the_id_alone_leads_to_the_rules_since_clients_look_there(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    deploy(store, registry, "r1", port(1, ONE), port(2, TWO))
    latest = registry.subject(subject(2)).latest
    for named in (None, subject(2), "elsewhere-value"):
        found = registry.used(latest.id, named)
        assert [use.subject for use in found.uses] == [subject(2)]
        assert found.content == latest.content
        assert found.owners == ((PRODUCT, "air"),)


def test_what_was_derived_once_stays_whatever_is_derived_later(store: SqliteRegistry, registry: SchemaRegistry) -> None:
    deploy(store, registry, "r1", port(1, ONE))
    before = SchemaRegistry(store, lambda _: {}).subject(subject(1))
    entries = len(store.audit_after(0))
    again = SchemaRegistry(store, lambda _: {}).subject(subject(1))
    assert (again, len(store.audit_after(0))) == (before, entries)


def test_threads_that_ask_first_at_one_time_derive_once(store: SqliteRegistry, registry: SchemaRegistry) -> None:
    deploy(store, registry, "r1", port(1, ONE))
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.subject(subject(1)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.latest.id for one in found}) == 1
    assert [entry.operation for entry in store.audit_after(0)].count("schema.derived") == 1


def test_the_schema_of_a_port_is_registered_by_whoever_sends_it_and_no_other(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    deploy(store, registry, "r1", port(1, ONE))
    latest = registry.subject(subject(1)).latest
    spaced = json.dumps(json.loads(latest.content.text), indent=2)
    assert registry.register("bob", subject(1), SchemaContent("AVRO", spaced)) == latest
    assert refused(lambda: registry.register("bob", subject(1), A)).code == "subject.contract"
    assert refused(lambda: registry.register("bob", subject(7), A)).code == "subject.contract"
    assert refused(lambda: registry.change("bob", subject(1), with_mode("READWRITE"))).code == "subject.read_only"
    found = registry.subject(subject(1))
    assert refused(lambda: registry.delete("bob", found, None, permanent=False)).code == "subject.read_only"


def test_a_candidate_for_a_port_is_judged_under_its_contracts_mode_and_within_its_major(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    deploy(store, registry, "r1", port(1, ONE, compatibility=CompatibilityMode.FORWARD), port(2, TWO))
    found = registry.subject(subject(1))
    more = record("Departure", ("id", "string"), ("minutes", "long"), ("more", "int"))
    assert registry.judge(found, more).is_compatible
    less = record("Departure", ("id", "string"))
    assert registry.judge(found, less).why == (
        "minutes is gone and had no default: readers that have the old schema break",
    )
    assert not registry.judge(found, SchemaContent("JSON", "{}")).is_compatible


def test_what_was_asked_for_before_a_change_is_answered_anew_behind_it(
    store: SqliteRegistry, registry: SchemaRegistry
) -> None:
    refused(lambda: registry.content(1))
    deploy(store, registry, "r1", port(1, ONE))
    assert registry.subject(subject(1)).latest.version == 1
    assert registry.content(1).type == "AVRO"
    free = registry.register("bob", "free-value", A)
    assert [use.subject for use in registry.uses(free.id)] == ["free-value"]
    registry.register("bob", "other-value", A)
    assert [use.subject for use in registry.uses(free.id)] == ["free-value", "other-value"]
    deploy(store, registry, "r2", port(1, ONE_MORE))
    assert registry.subject(subject(1)).latest.version == 2


def test_a_contract_that_no_format_carries_has_no_subject(store: SqliteRegistry, registry: SchemaRegistry) -> None:
    deploy(store, registry, "r1", port(1, (ID, FieldSpec("o", "object")), wire_format="avro"))
    assert refused(lambda: registry.subject(subject(1))).code == "subject.unknown"
    assert registry.subject(subject(1, "key")).latest is not None


# Free subjects


def test_a_free_subject_takes_what_its_level_permits(registry: SchemaRegistry) -> None:
    first = registry.register("bob", "free-value", A)
    assert registry.register("bob", "free-value", A) == first
    error = refused(lambda: registry.register("bob", "free-value", AB))
    assert error.code == "schema.incompatible"
    assert "b is new and has no default" in error.message
    registry.change("bob", "free-value", with_compatibility("NONE", None))
    assert registry.register("bob", "free-value", AB).version == 2
    registry.change("bob", "free-value", with_compatibility("FULL_TRANSITIVE", None))
    assert refused(lambda: registry.register("bob", "free-value", A_OR_NULL)).code == "schema.incompatible"


def test_versions_of_another_group_are_not_compared(registry: SchemaRegistry) -> None:
    def of(major: str, content: SchemaContent) -> SchemaContent:
        return SchemaContent("AVRO", content.text, (), {"properties": {"major": major}})

    registry.change("bob", "free-value", with_compatibility("BACKWARD", "major"))
    registry.register("bob", "free-value", of("1", A))
    assert registry.register("bob", "free-value", of("2", AB)).version == 2
    assert refused(lambda: registry.register("bob", "free-value", of("1", AB))).code == "schema.incompatible"


def test_two_who_register_at_one_time_both_stand_behind_each_other(registry: SchemaRegistry) -> None:
    registry.change("bob", "free-value", with_compatibility("NONE", None))
    contents = [record("A", (f"a{number}", "int")) for number in range(8)]
    threads = [threading.Thread(target=registry.register, args=("bob", "free-value", one)) for one in contents[:4]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.version for entry in registry.subject("free-value").entries] == [1, 2, 3, 4]


def test_references_are_followed_and_keep_what_they_lead_to(registry: SchemaRegistry) -> None:
    registry.register("bob", "inner", SchemaContent("AVRO", '{"type": "enum", "name": "E", "symbols": ["A"]}'))
    outer = SchemaContent("AVRO", record("O", ("e", "E")).text, (SchemaReference("E", "inner", 1),))
    kept = registry.register("bob", "outer", outer)
    assert list(registry.source(kept.content).references) == ["E"]
    inner = registry.subject("inner")
    assert registry.referrers(inner, inner.entries[0]) == [kept.id]
    assert refused(lambda: registry.delete("bob", inner, "1", permanent=False)).code == "schema.referenced"
    lost = SchemaContent("AVRO", outer.text, (SchemaReference("E", "inner", 2),))
    assert refused(lambda: registry.register("bob", "other", lost)).code == "schema.malformed"


def test_deleting_marks_and_then_takes_away(registry: SchemaRegistry) -> None:
    registry.register("bob", "free-value", A)

    def delete(version: str | None, *, permanent: bool) -> list[int]:
        return registry.delete("bob", registry.subject("free-value"), version, permanent=permanent)

    assert refused(lambda: delete("1", permanent=True)).code == "version.live"
    assert refused(lambda: delete(None, permanent=True)).code == "subject.live"
    assert delete("1", permanent=False) == [1]
    assert refused(lambda: delete("1", permanent=False)).code == "version.deleted"
    assert refused(lambda: delete(None, permanent=False)).code == "subject.deleted"
    assert refused(lambda: registry.subject("free-value", deleted=False)).code == "subject.unknown"
    assert delete(None, permanent=True) == [1]
    assert refused(lambda: registry.subject("free-value")).code == "subject.unknown"


def test_a_subject_that_is_read_only_is_not_changed(registry: SchemaRegistry) -> None:
    registry.register("bob", "free-value", A)
    registry.change("bob", "", with_mode("READONLY"))
    assert registry.register("bob", "free-value", A).version == 1
    assert refused(lambda: registry.register("bob", "free-value", A_OR_NULL)).code == "subject.read_only"
    registry.change("bob", "free-value", with_mode("READWRITE"))
    assert registry.register("bob", "free-value", A_OR_NULL).version == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: with_mode("IMPORT"), "mode.malformed"),
        (lambda: with_compatibility("SIDEWAYS", None), "compatibility.malformed"),
    ],
)
def test_words_that_are_none_are_refused(change: Callable[[], object], code: str) -> None:
    assert refused(change).code == code


@pytest.mark.parametrize("version", ["0", "-2", "1.0", "last", "", "٣", "99999999999"])
def test_what_is_no_version_is_refused(registry: SchemaRegistry, version: str) -> None:
    registry.register("bob", "free-value", A)
    found = registry.subject("free-value")
    assert refused(lambda: found.version(version)).code == "version.malformed"
    assert refused(lambda: found.version("2")).code == "version.unknown"
    assert found.version("latest") == found.version("-1") == found.version("1")


@pytest.mark.parametrize("name", ["", "a b", "air.flights/departures#value", "x" * 250])
def test_what_cannot_be_a_subject_is_refused(registry: SchemaRegistry, name: str) -> None:
    assert refused(lambda: registry.register("bob", name, A)).code == "id.malformed"


def test_a_subject_is_of_the_product_the_domain_or_nobody(store: SqliteRegistry, registry: SchemaRegistry) -> None:
    deploy(store, registry, "r1", port(1, ONE))
    assert registry.owner(subject(1)) == (PRODUCT, "air")
    assert registry.owner("air-other") == (None, "air")
    assert registry.owner("air.other-value") == (None, "air")
    assert registry.owner("sea-other-value") == (None, None)
