"""A part of a document while it is read: typed access that reports what is wrong, with file and line, and reads on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hansa.contracts.document import Document, Place
from hansa.model.ids import did_you_mean
from hansa.sdk.finding import Finding

VENDOR = "hansa"


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping within a document. What cannot be read is added to `findings` and answered with nothing."""

    document: Document
    findings: list[Finding]
    value: dict[str, Any]
    place: Place = ()

    @staticmethod
    def of(document: Document, findings: list[Finding]) -> Part:
        return Part(document, findings, document.data)

    def apart(self) -> Part:
        """The same, reporting to nobody: for who reads what another one has reported on."""
        return Part(self.document, [], self.value, self.place)

    def report(self, code: str, message: str, hint: str | None = None, *place: str | int) -> None:
        """A finding at this part, or at what stands at `place` in it."""
        line = self.document.line((*self.place, *place))
        self.findings.append(Finding(code, message, hint, self.document.file, line))

    def text(self, key: str, default: str = "") -> str:
        """Text; numbers are taken as they are written, since `version: 1.0` is meant as text."""
        value = self.value.get(key)
        if value is None:
            return default
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip()
        self._misread(key, "text", value)
        return default

    def required(self, key: str, hint: str) -> str:
        """Text that must be there."""
        found = self.text(key)
        if not found and not isinstance(self.value.get(key), dict | list | bool):
            self.report("file.key_missing", f"{key!r} is missing", hint)
        return found

    def choice(self, key: str, known: Collection[str], default: str, code: str) -> str:
        """One of the words that are known."""
        found = self.text(key, default)
        if found in known:
            return found
        hint = did_you_mean(found, known) or f"Use one of {', '.join(sorted(known))}."
        self.report(code, f"{key}: {found!r} is not known", hint, key)
        return default

    def flag(self, key: str) -> bool:
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._misread(key, "true or false", value)
        return False

    def number(self, key: str) -> int | None:
        value = self.value.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._misread(key, "a whole number", value)
        return None

    def mapping(self, key: str) -> Part:
        """The mapping there, empty where there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, dict):
            self._misread(key, "a mapping", value)
        return Part(self.document, self.findings, value if isinstance(value, dict) else {}, (*self.place, key))

    def parts(self, key: str) -> list[Part]:
        """The mappings of a list."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, list):
            self._misread(key, "a list", value)
            return []
        found = []
        for index, item in enumerate(value or ()):
            if isinstance(item, dict):
                found.append(Part(self.document, self.findings, item, (*self.place, key, index)))
            else:
                self.report("file.wrong_type", f"{key}[{index}] is not a mapping", None, key, index)
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of text; one text alone is a list of one."""
        value = self.value.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if all(isinstance(item, str | int | float) for item in items):
            return tuple(str(item) for item in items)
        self._misread(key, "a list of text", value)
        return ()

    def custom(self) -> Part:
        """The `customProperties` of Hansa (`vendor: hansa`), by their names; lines are those of the values."""
        values: dict[str, Any] = {}
        lines = dict(self.document.lines)
        place: Place = (*self.place, "customProperties", VENDOR)
        for item in self.parts("customProperties"):
            if item.value.get("vendor") == VENDOR and (name := item.text("property")):
                values[name] = item.value.get("value")
                lines[*place, name] = self.document.line((*item.place, "value"))
        return Part(Document(self.document.file, self.document.data, lines), self.findings, values, place)

    def _misread(self, key: str, wanted: str, value: object) -> None:
        self.report("file.wrong_type", f"{key!r} is {value!r}, not {wanted}", None, key)
