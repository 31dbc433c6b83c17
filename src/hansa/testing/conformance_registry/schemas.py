"""Schemas and subjects."""

from __future__ import annotations

from hansa.registry.interface import Registry
from hansa.registry.values import (
    AuditFilter,
    PortSchema,
    SchemaContent,
    SchemaReference,
    SchemaVersion,
    SubjectSettings,
)
from hansa.testing.conformance_registry.given import FLIGHTS, refused

CONTENT = SchemaContent("AVRO", '"string"', (), {"properties": {"major_version": "1"}})
OTHER = SchemaContent("JSON", "{}", (SchemaReference("a.json", "texts", 1),))


class SchemasConformance:
    """Schemas and subjects."""

    def test_the_same_schema_has_the_same_id_and_each_subject_counts_its_own_versions(self, registry: Registry) -> None:
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

    def test_a_version_is_added_behind_those_that_whoever_adds_it_has_seen(self, registry: Registry) -> None:
        registry.add_schema("ada", "texts", CONTENT, after=0)
        assert refused(lambda: registry.add_schema("bob", "texts", OTHER, after=0)).code == "subject.conflict"
        assert [entry.operation for entry in registry.audit_after(0)].count("schema.registered") == 1

    def test_numbers_and_ids_of_schemas_are_not_given_again(self, registry: Registry) -> None:
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

    def test_a_schema_that_another_subject_has_stays_when_one_takes_it_away(self, registry: Registry) -> None:
        first = registry.add_schema("ada", "texts", CONTENT, after=0)
        registry.add_schema("ada", "names", CONTENT, after=0)
        registry.delete_schemas("ada", "texts", [1], permanent=True)
        assert registry.schema(first.id) == CONTENT

    def test_settings_of_a_subject_are_what_was_set_last(self, registry: Registry) -> None:
        assert registry.subject_settings("texts") == SubjectSettings()
        registry.set_subject_settings("ada", "texts", SubjectSettings("FULL", "major_version"))
        registry.set_subject_settings("ada", "", SubjectSettings(mode="READONLY"))
        assert registry.subject_settings("texts") == SubjectSettings("FULL", "major_version")
        assert registry.subject_settings("") == SubjectSettings(mode="READONLY")
        registry.add_schema("ada", "texts", CONTENT, after=0)
        assert registry.subject_settings("texts").compatibility == "FULL"
        entry = registry.audit_list(AuditFilter(operation="schema.settings", target="texts"))[0]
        assert (entry.before, entry.after) == ({}, {"compatibility": "FULL", "group": "major_version"})

    def test_what_was_derived_for_a_port_is_kept_once_and_versioned_where_it_is_new(self, registry: Registry) -> None:
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

    def test_an_untouched_audit_verifies(self, registry: Registry) -> None:
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        assert registry.audit_verify() == (3, None)
