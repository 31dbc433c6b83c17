"""A subject as it stands, and what can be found in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hansa.errors import CallerError
from hansa.registry.values import SchemaContent, SubjectSettings

MAJOR: Final = "major_version"
"""The property of a schema's metadata that says of which major of a port it is."""
_LATEST: Final = ("latest", "-1")


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a subject."""

    version: int
    id: int
    content: SchemaContent
    is_deleted: bool = False

    def property(self, name: str) -> str | None:
        """A property of its metadata."""
        return property_of(self.content, name)


def property_of(content: SchemaContent, name: str) -> str | None:
    """A property of a schema's metadata, where it has it."""
    found = ((content.metadata or {}).get("properties") or {}).get(name)
    return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class Subject:
    """`entries` are all versions, in order. `latest` is what a client gets that asks for nothing more: in a free
    subject the last one, in that of a port the schema of its live contract. `product` is the port's; None of a free
    one."""

    name: str
    entries: tuple[Entry, ...]
    latest: Entry | None
    settings: SubjectSettings
    product: str | None = None

    @property
    def is_port(self) -> bool:
        return self.product is not None

    def versions(self, *, deleted: bool = False) -> Iterator[Entry]:
        """The versions; those that were deleted only where `deleted` asks for them, too."""
        return (entry for entry in self.entries if deleted or not entry.is_deleted)

    def version(self, text: str, *, deleted: bool = False) -> Entry:
        """The version that a request names: a number, or `latest`.

        Raises `CallerError` (`version.unknown`, `version.malformed`).
        """
        if text in _LATEST and self.latest is not None:
            return self.latest
        number = version_number(text)
        found = next((one for one in self.versions(deleted=deleted) if one.version == number), None)
        if found is None:
            known = ", ".join(str(one.version) for one in self.versions())
            raise CallerError(
                "version.unknown", f"{self.name} has no version {text}", hint=f"It has {known or 'none any more'}."
            )
        return found

    def with_metadata(self, wanted: dict[str, str], *, deleted: bool = False) -> Entry:
        """The last version whose metadata has these properties. Raises `CallerError("version.unknown")`."""
        fitting = [e for e in self.versions(deleted=deleted) if all(e.property(k) == v for k, v in wanted.items())]
        if self.latest in fitting:
            return self.latest
        if not fitting:
            told = ", ".join(f"{key}={value}" for key, value in wanted.items())
            raise CallerError(
                "version.unknown", f"{self.name} has no version with {told}", hint="GET …/versions lists what it has."
            )
        return fitting[-1]

    def like(self, entry: SchemaContent, group: str | None) -> Iterator[Entry]:
        """The versions that a schema is compared with: all that are not deleted, or those of its own group."""
        for one in self.versions():
            if group is None or one.property(group) == property_of(entry, group):
                yield one


def version_number(text: str) -> int:
    """Raises `CallerError("version.malformed")` where `text` is no number from 1 to 2^31-1."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 11 else 0
    if not 1 <= number < 2**31:
        raise CallerError("version.malformed", f"{text!r} is no version", hint="Give a number from 1 on, or `latest`.")
    return number


def unknown_subject(name: str) -> CallerError:
    """That there is no subject of that name."""
    return CallerError(
        "subject.unknown",
        f"There is no subject {name!r}",
        hint="That of a port reads `domain-product-port-v1-value`; GET /schema-registry/subjects lists all.",
        details={"value": name},
    )


def merged_rules(content: SchemaContent, rules: dict[str, Any] | None) -> SchemaContent:
    """The content with other rules in the place of its own, where there are some."""
    if rules is None:
        return content
    return SchemaContent(content.type, content.text, content.references, content.metadata, rules)
