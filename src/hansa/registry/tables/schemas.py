"""Schemas and subjects of the registry protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from hansa.errors import CallerError
from hansa.registry.interface import Schemas
from hansa.registry.tables.base import Change, Tables
from hansa.registry.values import PortSchema, SchemaContent, SchemaPart, SchemaVersion, SubjectSettings

_VERSION: Final = "SELECT subject, version, schema, deleted FROM schema_version"
_REFERRERS: Final = """
    SELECT DISTINCT r.schema FROM schema_reference r WHERE r.subject = ? AND r.version = ?
    AND EXISTS (SELECT 1 FROM schema_version v WHERE v.schema = r.schema) ORDER BY r.schema"""
_content: Final = msgspec.json.Decoder(SchemaContent).decode
_settings: Final = msgspec.json.Decoder(SubjectSettings).decode


class SchemaTables(Tables, Schemas):
    def schema(self, schema: int) -> SchemaContent | None:
        rows = self._rows("SELECT content FROM schema WHERE id = ?", schema)
        return _content(rows[0][0]) if rows else None

    def schema_id_max(self) -> int:
        return int(self._rows("SELECT coalesce(max(id), 0) FROM schema")[0][0])

    def schema_versions(self, subject: str | None = None) -> list[SchemaVersion]:
        where = "" if subject is None else " WHERE subject = ?"
        values = () if subject is None else (subject,)
        return _versions(self._rows(f"{_VERSION}{where} ORDER BY subject, version", *values))

    def schema_uses(self, schema: int) -> list[SchemaVersion]:
        return _versions(self._rows(f"{_VERSION} WHERE schema = ? ORDER BY subject, version", schema))

    def schema_referrers(self, subject: str, version: int) -> list[int]:
        return [schema for (schema,) in self._rows(_REFERRERS, subject, version)]

    def add_schema(self, actor: str, subject: str, content: SchemaContent, *, after: int) -> SchemaVersion:
        with self._changing(actor) as change:
            if _count(change, subject) != after:
                raise CallerError(
                    "subject.conflict", f"{subject} has got another version meanwhile", hint="Send it again."
                )
            found = _next_version(change, subject, _keep(change, content))
            change.audit("schema.registered", subject, None, {"version": found.version, "id": found.id})
        return found

    def delete_schemas(self, actor: str, subject: str, versions: Sequence[int], *, permanent: bool) -> None:
        with self._changing(actor) as change:
            for version in versions:
                if permanent:
                    _remove(change, subject, version)
                else:
                    change.execute(
                        "UPDATE schema_version SET deleted = TRUE WHERE subject = ? AND version = ?", subject, version
                    )
            operation = "schema.removed" if permanent else "schema.deleted"
            change.audit(operation, subject, {"versions": list(versions)})

    def subject_settings(self, subject: str) -> SubjectSettings:
        rows = self._rows("SELECT settings FROM schema_subject WHERE name = ?", subject)
        return _settings(rows[0][0]) if rows else SubjectSettings()

    def set_subject_settings(self, actor: str, subject: str, settings: SubjectSettings) -> None:
        with self._changing(actor) as change:
            before = change.execute("SELECT settings FROM schema_subject WHERE name = ?", subject).fetchone()
            text = msgspec.json.encode(settings).decode()
            change.execute(
                "INSERT INTO schema_subject (name, settings) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET settings = excluded.settings",
                subject,
                text,
            )
            told = [msgspec.json.decode(one) for one in (before[0] if before else "{}", text)]
            change.audit("schema.settings", subject or "all subjects", *told)

    def schema_count(self, subject: str) -> int:
        rows = self._rows("SELECT versions FROM schema_subject WHERE name = ?", subject)
        return int(rows[0][0]) if rows else 0

    def port_schemas(self, product: str) -> dict[tuple[str, str, SchemaPart], int | None]:
        rows = self._rows("SELECT revision, port, part, schema FROM port_schema WHERE product = ?", product)
        return {(revision, port, cast("SchemaPart", part)): schema for revision, port, part, schema in rows}

    def add_port_schemas(self, actor: str, product: str, found: Sequence[PortSchema]) -> None:
        with self._changing(actor) as change:
            made = {}
            for one in found:
                schema = None if one.content is None else _keep(change, one.content)
                kept = change.execute(
                    "INSERT INTO port_schema VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    product,
                    one.revision,
                    one.port,
                    one.part,
                    schema,
                ).rowcount
                if kept and schema is not None and not _has(change, one.line, schema):
                    made[f"{one.port} {one.part}"] = _next_version(change, one.line, schema).id
            change.audit("schema.derived", product, None, made)


def _versions(rows: Sequence[Any]) -> list[SchemaVersion]:
    return [SchemaVersion(subject, version, schema, bool(deleted)) for subject, version, schema, deleted in rows]


def _count(change: Change, subject: str) -> int:
    row = change.execute("SELECT versions FROM schema_subject WHERE name = ?", subject).fetchone()
    return int(row[0]) if row else 0


def _keep(change: Change, content: SchemaContent) -> int:
    """The id of a content; a new one where there is none."""
    text = msgspec.json.encode(content, order="deterministic").decode()
    digest = hashlib.sha256(text.encode()).digest()
    known = change.execute("SELECT id FROM schema WHERE digest = ?", digest).fetchone()
    if known:
        return int(known[0])
    sql = "INSERT INTO schema (digest, content) VALUES (?, ?) RETURNING id"
    (made,) = change.execute(sql, digest, text).fetchone()
    for reference in content.references:
        sql = "INSERT INTO schema_reference VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        change.execute(sql, reference.subject, reference.version, made)
    return int(made)


def _has(change: Change, subject: str, schema: int) -> bool:
    sql = "SELECT 1 FROM schema_version WHERE subject = ? AND schema = ?"
    return change.execute(sql, subject, schema).fetchone() is not None


def _next_version(change: Change, subject: str, schema: int) -> SchemaVersion:
    (version,) = change.execute(
        "INSERT INTO schema_subject (name, versions) VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET versions = schema_subject.versions + 1 RETURNING versions",
        subject,
    ).fetchone()
    change.execute("INSERT INTO schema_version (subject, version, schema) VALUES (?, ?, ?)", subject, version, schema)
    return SchemaVersion(subject, version, schema)


def _remove(change: Change, subject: str, version: int) -> None:
    sql = "DELETE FROM schema_version WHERE subject = ? AND version = ? RETURNING schema"
    row = change.execute(sql, subject, version).fetchone()
    if row and not change.execute("SELECT 1 FROM schema_version WHERE schema = ?", row[0]).fetchone():
        change.execute("DELETE FROM schema_reference WHERE schema = ?", row[0])
        change.execute("DELETE FROM schema WHERE id = ?", row[0])
