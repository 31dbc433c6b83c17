"""Does a run or an event speak of a person? Decided from their id and from values that nobody else's records have.

An id with a letter in it is found in any text where it stands as a word of its own. An id without one (`1017`) would be
found in every price: it counts only as the value of a field that a contract names as the subject.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from hansa.discovery.events import Event
from hansa.model.product import ContractSpec
from hansa.model.run import RunEntry

TELLING_CHARS: Final = 6
"""How long a value must be to be taken for a person's own."""
_PLAIN: Final = re.compile(r"[\w@.:+-]+", re.ASCII)
"""What every encoding of a text leaves as it is."""
_from_json: Final = msgspec.json.Decoder().decode
_from_msgpack: Final = msgspec.msgpack.Decoder().decode


class Sought:
    """A person: their id, the names of fields that hold such ids, and values of theirs (see `telling_values`)."""

    def __init__(self, subject: str, fields: Collection[str], values: Collection[str] = ()) -> None:
        self._subject = subject
        self._fields = frozenset(fields)
        words = [*values, subject] if re.search(r"[^\W\d_]", subject) else [*values]
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)") if words else None
        plain = len(words) > len(values) and all(map(_PLAIN.fullmatch, words))
        self._bytes = re.compile(b"|".join(re.escape(word.encode()) for word in words)) if plain else None

    def may_be_in(self, data: bytes) -> bool:
        """False where encoded content cannot speak of the person; costs much less than to look into it."""
        return self._bytes is None or self._bytes.search(data) is not None

    def in_run(self, entry: RunEntry) -> bool:
        """True where anything that went in or came out speaks of the person."""
        content = (
            entry.payload, entry.result, entry.trigger_detail, entry.headers, entry.output, entry.idempotency_key,
            msgspec.to_builtins(entry.error), [logic.error for logic in entry.logic], entry.uses,
        )  # fmt: skip
        return any(map(self.in_value, content))

    def in_event(self, event: Event) -> bool:
        """True where its payload speaks of the person, or the person is its source or target."""
        return self._subject in (event.source, event.target) or self.in_value(event.payload)

    def is_of(self, record: Mapping[Any, Any]) -> bool:
        """True where a field that contracts name as the subject says that it is the person's."""
        return any(name in self._fields and str(value) == self._subject for name, value in record.items())

    def in_value(self, value: Any, field: str | None = None) -> bool:
        """True where a plain value, or anything inside it, speaks of the person. Bytes may be JSON, msgpack or text."""
        if isinstance(value, dict):
            return any(self.in_value(key) or self.in_value(inner, str(key)) for key, inner in value.items())
        if isinstance(value, list | tuple):
            return any(self.in_value(inner, field) for inner in value)
        if isinstance(value, bytes):
            return self._in_bytes(value)
        if field in self._fields and str(value) == self._subject:
            return True
        return isinstance(value, str) and self._words is not None and self._words.search(value) is not None

    def _in_bytes(self, data: bytes) -> bool:
        for decode in (_from_json, _from_msgpack):
            try:
                value = decode(data)
            except ValueError:
                continue
            if isinstance(value, dict | list | str):
                return self.in_value(value)
        return self.in_value(data.decode("utf-8", "replace"))


def telling_values(contract: ContractSpec, record: Any) -> Iterator[str]:
    """The texts in the fields of a record that its contract says are personal, long enough to tell a person."""
    for field in contract.fields:
        value = record.get(field.name) if field.personal and isinstance(record, dict) else None
        if isinstance(value, str) and len(value) >= TELLING_CHARS and field.name != contract.subject:
            yield value
