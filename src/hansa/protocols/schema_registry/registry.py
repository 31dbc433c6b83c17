"""What can be asked of the schema registry, and changed in it: subjects of ports, which their contracts decide, and
free ones, which whoever may registers. Methods read and write files: not for an event loop's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from hansa.contracts.compatibility.verdict import SchemaText, Verdict
from hansa.errors import AuthorError, CallerError
from hansa.model.ids import PortId, did_you_mean
from hansa.model.product import CompatibilityMode
from hansa.protocols.schema_registry import forms
from hansa.protocols.schema_registry.cache import Cache
from hansa.protocols.schema_registry.failures import decided_by_contract, read_only, was_deleted, was_not_deleted
from hansa.protocols.schema_registry.names import (
    DEFAULT_CONTEXT,
    PortSubject,
    canonical,
    check_subject,
    is_line,
    within_context,
)
from hansa.protocols.schema_registry.ports import PortSubjects, WindowsOf, Written
from hansa.protocols.schema_registry.subject import MAJOR, Entry, Subject, property_of, unknown_subject
from hansa.registry.interface import Registry
from hansa.registry.values import SchemaContent, SchemaReference, SchemaVersion, SubjectSettings

DEFAULT_COMPATIBILITY: Final = CompatibilityMode.BACKWARD
"""Of free subjects, as Confluent has it. Ports have their contract's."""
MODES: Final = ("READWRITE", "READONLY")
_MODES_HINT: Final = f"Modes are {', '.join(MODES)}: ids are given here, and none is imported."
_REFERENCES_MAX: Final = 200
_TRIES: Final = 5


class Owner(NamedTuple):
    """Whose a subject is: a port's product, or of a free one the domain that its name begins with, where one does."""

    product: str | None
    domain: str | None


class Named(NamedTuple):
    """A subject in a list: `product` is that of a port."""

    name: str
    product: str | None
    is_deleted: bool


class Used(NamedTuple):
    """A schema, the versions that have it, and whose their subjects are."""

    content: SchemaContent
    uses: tuple[SchemaVersion, ...]
    owners: tuple[Owner, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a schema may follow. `why` are sentences; empty where it may."""

    why: tuple[str, ...] = ()

    @property
    def is_compatible(self) -> bool:
        return not self.why


class SchemaRegistry:
    """One registry. Any thread may ask."""

    def __init__(self, registry: Registry, windows_of: WindowsOf) -> None:
        self._registry = registry
        self._cache = Cache()
        self._ports = PortSubjects(registry, windows_of, self._cache.forget)

    def forget(self) -> None:
        """Something was deployed, rolled back or retired, or a subject changed: what is cached may be wrong."""
        self._cache.forget()

    # Subjects

    def owner(self, name: str) -> Owner:
        """Whose the subject of that name is, or would be. Raises `CallerError("id.malformed")`."""
        if product := self.find(name).product:
            return Owner(product, product.partition(".")[0])
        own = within_context(name)[1]
        first = min((own.partition(mark)[0] for mark in "-."), key=len)
        domains = {domain.name for domain in self._registry.domains()}
        return Owner(None, first if first in domains else None)

    def subject(self, name: str, *, deleted: bool = True) -> Subject:
        """The subject of that name; one whose versions are all deleted only where `deleted` says so.

        Raises `CallerError` (`id.malformed`, `subject.unknown`).
        """
        found = self.find(name)
        if not found.entries or not (deleted or any(found.versions())):
            raise self._unknown(name)
        return found

    def find(self, name: str) -> Subject:
        """The subject of that name; without entries where there is none."""
        name = canonical(name)
        return self._cache.get(("subject", name), lambda: self._found(name))

    def _found(self, name: str) -> Subject:
        of = PortSubject.parse(check_subject(name))
        return (of and self._ports.subject(of)) or self._free(name)

    def names(self) -> Iterator[Named]:
        """All subjects; one is deleted when all its versions are."""
        yield from (Named(str(of), of.product, False) for of in self._ports.all())
        live: dict[str, bool] = {}
        for one in self._registry.schema_versions():
            if not is_line(one.subject):
                live[one.subject] = live.get(one.subject, False) or not one.is_deleted
        yield from (Named(name, None, not is_live) for name, is_live in live.items())

    def _free(self, name: str) -> Subject:
        kept = self._registry.schema_versions(name)
        entries = tuple(Entry(one.version, one.id, self.content(one.id), one.is_deleted) for one in kept)
        latest = next((entry for entry in reversed(entries) if not entry.is_deleted), None)
        return Subject(name, entries, latest, self._registry.subject_settings(name))

    def contexts(self, names: Iterable[str]) -> list[str]:
        """The contexts of these subjects, and the default one."""
        return sorted({DEFAULT_CONTEXT, *(within_context(name)[0] for name in names)})

    def _unknown(self, name: str) -> CallerError:
        error = unknown_subject(name)
        error.hint = did_you_mean(name, [known.name for known in self.names()]) or error.hint
        return error

    # Ids

    def written(self, product: str, revision: str, port: str) -> Written | None:
        """With which contract and schema a revision writes the records of a port; None where it has none. A revision
        that is not known is the live one."""
        return self._ports.written(product, revision, port)

    def id_max(self) -> int:
        """The highest id that was given to a schema that is kept; 0 before the first."""
        return self._registry.schema_id_max()

    def content(self, schema: int) -> SchemaContent:
        """The schema of an id. Raises `CallerError("schema.unknown")`."""
        found = self._cache.get(("schema", schema), lambda: self._registry.schema(schema))
        if found is None:
            raise CallerError(
                "schema.unknown",
                f"There is no schema with the id {schema}",
                hint="Ids are those of one registry: is the record from another one?",
            )
        return found

    def used(self, schema: int, subject: str | None = None) -> Used:
        """The schema of an id, with the rules of the version that has it: that of `subject`, or of any where none is
        named or that one has it not. Clients take migration rules from here. Raises `CallerError("schema.unknown")`.
        """
        content, uses = self.content(schema), self.uses(schema)
        owners = tuple(self.owner(use.subject) for use in uses)
        names = [use.subject for use in uses]
        for name in ([subject] if subject in names else names)[:1]:
            found = (entry.content for entry in self.find(name).entries if entry.id == schema)
            content = next(found, content)
        return Used(content, tuple(uses), owners)

    def uses(self, schema: int) -> list[SchemaVersion]:
        """The versions that have the schema of an id, under the names of subjects."""
        return self._cache.get(
            ("uses", schema), lambda: [self._named(one) for one in self._registry.schema_uses(schema)]
        )

    def _named(self, one: SchemaVersion) -> SchemaVersion:
        if not is_line(one.subject):
            return one
        line, _, part = one.subject.partition("#")
        port = PortId.parse(f"{line}@{property_of(self.content(one.id), MAJOR)}")
        return one._replace(subject=str(PortSubject(port, "key" if part == "key" else "value")))

    def referrers(self, subject: Subject, entry: Entry) -> list[int]:
        """The ids of the schemas that refer to a version."""
        return self._registry.schema_referrers(subject.name, entry.version)

    def source(self, content: SchemaContent) -> SchemaText:
        """A schema with the texts of all that it refers to, those that others need first.

        Raises `CallerError("schema.malformed")` where a reference leads nowhere.
        """
        texts: dict[str, str] = {}
        self._collect(content.references, texts)
        return SchemaText(content.text, texts)

    def _collect(self, references: Iterable[SchemaReference], texts: dict[str, str]) -> None:
        for one in references:
            if one.name in texts:
                continue
            try:
                found = self.find(one.subject).version(str(one.version), deleted=True).content
            except CallerError as refusal:
                message = f"The reference {one.name!r}: {refusal.message}"
                raise AuthorError("schema.malformed", message, hint="Register first what it refers to.") from refusal
            self._collect(found.references, texts)
            texts[one.name] = found.text
            if len(texts) > _REFERENCES_MAX:
                raise AuthorError(
                    "schema.malformed", f"It refers to more than {_REFERENCES_MAX} schemas", hint="Join some of them."
                )

    # Looking up, judging, registering

    def prepared(self, content: SchemaContent, *, normalise: bool = False) -> SchemaContent:
        """A schema as it would be kept. Raises `schema.malformed`, `schema.reference_unknown`, `schema.too_large`."""
        references = self.source(content).references
        text = forms.readable(content.type, content.text, references)
        source = SchemaText(text, references)
        forms.check(content.type, source)
        text = forms.normalised(content.type, source) if normalise else text
        return msgspec.structs.replace(content, text=text)

    def lookup(self, subject: Subject, content: SchemaContent, *, deleted: bool = False) -> Entry | None:
        """The last version that is this schema; metadata and rules count where the request has them."""
        wanted = forms.normal(content.type, self.source(content))
        for entry in reversed(list(subject.versions(deleted=deleted))):
            kept = entry.content
            if kept.type != content.type or not _fits(subject, kept, content):
                continue
            if forms.normal(kept.type, self.source(kept)) == wanted:
                return entry
        return None

    def known(self, subject: Subject, content: SchemaContent, *, deleted: bool = False) -> Entry:
        """What `lookup` finds. Raises `CallerError("schema.unknown")` where that is nothing."""
        found = self.lookup(subject, content, deleted=deleted)
        if found is None:
            raise CallerError(
                "schema.unknown", f"{subject.name} has no such schema", hint="GET …/versions lists what it has."
            )
        return found

    def judge(self, subject: Subject, content: SchemaContent, version: str | None = None) -> Judged:
        """Whether a schema may follow the versions of a subject, or one of them, under its mode."""
        level = self.compatibility(subject)
        history = self._compared(subject, content, version, level)
        others = [entry for entry in history if entry.content.type != content.type]
        if others:
            return Judged((f"Version {others[-1].version} is of the type {others[-1].content.type}",))
        verdict = self._verdict(content, history, level)
        return Judged(verdict.sentences if verdict else ())

    def _compared(
        self, subject: Subject, content: SchemaContent, version: str | None, level: CompatibilityMode
    ) -> list[Entry]:
        """The versions that a schema is judged against."""
        if level is CompatibilityMode.NONE:
            return []
        if version is not None:
            return [subject.version(version)]
        like = subject.latest.content if subject.is_port and subject.latest else content
        history = list(subject.like(like, self.group(subject)))
        return history if level.is_transitive else history[-1:]

    def _verdict(self, content: SchemaContent, history: list[Entry], level: CompatibilityMode) -> Verdict | None:
        if not history:
            return None
        texts = {f"version {entry.version}": self.source(entry.content) for entry in history}
        return forms.compatibility(content.type, texts, self.source(content), level)

    def register(self, actor: str, name: str, content: SchemaContent, *, normalise: bool = False) -> Entry:
        """The version of a schema in a subject, which is a new one where the subject has it not.

        Raises `CallerError`: `subject.contract` where it is a port's and another schema, `subject.read_only`,
        `schema.incompatible` with every reason, and what `prepared` raises.
        """
        kept = self.prepared(content, normalise=normalise)
        for tries_left in reversed(range(_TRIES)):
            count, subject = self._registry.schema_count(name), self._found(name)  # in this order: none is missed
            if found := self.lookup(subject, kept):
                return found
            self._may_follow(subject, kept)
            try:
                added = self._registry.add_schema(actor, name, kept, after=count)
                self.forget()
            except CallerError as refusal:
                if refusal.code != "subject.conflict" or not tries_left:
                    raise
            else:
                return Entry(added.version, added.id, kept)
        raise AssertionError("the last try returns or raises")

    def _may_follow(self, subject: Subject, content: SchemaContent) -> None:
        of = PortSubject.parse(subject.name)
        if of and (subject.is_port or of.port.product.domain in {one.name for one in self._registry.domains()}):
            raise decided_by_contract(of)
        self._check_writable(subject)
        judged = self.judge(subject, content)
        if not judged.is_compatible:
            raise CallerError(
                "schema.incompatible",
                f"The schema is not {self.compatibility(subject)} to what {subject.name} has: {'; '.join(judged.why)}",
                hint="Make it compatible, set another level in /config, or use another subject.",
                details={"reasons": list(judged.why)},
            )

    # Deleting

    def delete(self, actor: str, subject: Subject, version: str | None, *, permanent: bool) -> list[int]:
        """Marks a version, or all, as deleted, or takes away what is marked; the numbers.

        Raises `CallerError`: `subject.deleted`, `subject.live`, `version.deleted`, `version.live`, `schema.referenced`.
        """
        self._check_writable(subject)
        noun = "subject" if version is None else "version"
        found = list(subject.entries) if version is None else [subject.version(version, deleted=True)]
        chosen = [entry for entry in found if entry.is_deleted or not permanent]
        if permanent and any(not entry.is_deleted for entry in found):
            raise was_not_deleted(noun, subject, found)
        if not permanent:
            chosen = [entry for entry in found if not entry.is_deleted]
        if not chosen:
            raise was_deleted(noun, subject)
        for entry in chosen:
            if referrers := self.referrers(subject, entry):
                raise CallerError(
                    "schema.referenced",
                    f"Version {entry.version} of {subject.name} is referred to by the schemas {referrers}",
                    hint="Delete these first.",
                )
        versions = [entry.version for entry in chosen]
        self._registry.delete_schemas(actor, subject.name, versions, permanent=permanent)
        self.forget()
        return versions

    # Settings

    def compatibility(self, subject: Subject) -> CompatibilityMode:
        """The level under which a subject changes."""
        return CompatibilityMode(subject.settings.compatibility or self.everywhere().compatibility or "")

    def group(self, subject: Subject) -> str | None:
        """The property of the metadata that parts a subject's versions."""
        return subject.settings.group or self.everywhere().group

    def everywhere(self) -> SubjectSettings:
        """What holds where a subject says nothing else."""
        kept = self._registry.subject_settings("")
        return SubjectSettings(kept.compatibility or DEFAULT_COMPATIBILITY, kept.group, kept.mode or MODES[0])

    def change(self, actor: str, name: str, changed: Callable[[SubjectSettings], SubjectSettings]) -> SubjectSettings:
        """Changes the settings of a subject, or those of all (`""`); what they were before.

        Raises `CallerError("subject.read_only")` for the subject of a port.
        """
        if name and (subject := self.find(name)).is_port:
            raise read_only(subject)
        before = self._registry.subject_settings(name)
        self._registry.set_subject_settings(actor, name, changed(before))
        self.forget()
        return before

    def _check_writable(self, subject: Subject) -> None:
        if (subject.settings.mode or self.everywhere().mode) != MODES[0]:
            raise read_only(subject)


def _fits(subject: Subject, kept: SchemaContent, asked: SchemaContent) -> bool:
    """Whether metadata, rules and references of a request are those of a version; a port's are not asked for."""
    if subject.is_port:
        return True
    return (
        kept.references == asked.references
        and asked.metadata in (None, kept.metadata)
        and asked.rules in (None, kept.rules)
    )


def with_compatibility(level: str | None, group: str | None) -> Callable[[SubjectSettings], SubjectSettings]:
    """A change of the level, checked, and of the group; None takes them back. Raises `compatibility.malformed`."""
    if level is not None and level not in frozenset(CompatibilityMode):
        raise CallerError(
            "compatibility.malformed", f"{level!r} is no level", hint=f"Levels are {', '.join(CompatibilityMode)}."
        )
    return lambda settings: msgspec.structs.replace(settings, compatibility=level, group=group)


def with_mode(mode: str | None) -> Callable[[SubjectSettings], SubjectSettings]:
    """A change of the mode, checked; None takes it back. Raises `CallerError("mode.malformed")`."""
    if mode is not None and mode not in MODES:
        raise CallerError("mode.malformed", f"{mode!r} is no mode of Hansa", hint=_MODES_HINT)
    return lambda settings: msgspec.structs.replace(settings, mode=mode)
