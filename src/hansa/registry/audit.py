"""The chain of the audit, without storage: how an entry is made, what its digest covers, what breaks the chain.

The digest is SHA-256 over the JSON array of the entry's fields as they are stored, the digest before it included.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from hansa.errors import InternalError, OperatorError
from hansa.registry.values import AuditEntry

START: Final = "0" * 64
"""What stands before the first entry."""

_OPERATION: Final = re.compile(r"[a-z_]+\.[a-z_]+")


class Row(NamedTuple):
    """An entry as it is stored: `before` and `after` are JSON text."""

    seq: int
    time_us: int
    actor: str
    operation: str
    target: str
    before: str
    after: str
    detail: str
    previous: str
    digest: str

    def entry(self) -> AuditEntry:
        """The entry with `before` and `after` as values. Raises `OperatorError("audit.damaged")`."""
        try:
            before, after = msgspec.json.decode(self.before), msgspec.json.decode(self.after)
        except msgspec.DecodeError as failure:
            raise OperatorError(
                "audit.damaged",
                f"Entry {self.seq} of the audit: {failure}",
                hint="`hansa audit verify` says how far it holds.",
            ) from failure
        return AuditEntry(**{**self._asdict(), "before": before, "after": after})


def make_row(
    last: tuple[int, str], time_us: int, actor: str, operation: str, target: str, before: Any, after: Any, detail: str
) -> Row:
    """The entry that follows `last` (seq, digest). Raises `InternalError("audit.operation")` for a malformed name."""
    if not _OPERATION.fullmatch(operation):
        raise InternalError(
            "audit.operation", f"{operation!r} is not an operation", hint="It reads like 'run.started'."
        )
    seq, previous = last[0] + 1, last[1]
    row = Row(seq, time_us, actor, operation, target, _json(before), _json(after), detail, previous, "")
    return row._replace(digest=digest_of(row))


def digest_of(row: Row) -> str:
    """What the digest of a row must be."""
    return hashlib.sha256(msgspec.json.encode(row[:-1])).hexdigest()


class Chain:
    """Follows the audit from its start and stops at the first entry that does not belong there."""

    def __init__(self) -> None:
        self.seq = 0
        self.digest = START
        self.first_bad: int | None = None

    def follow(self, rows: Iterable[Row]) -> None:
        """Takes the next rows in order; after a bad one, none."""
        for row in rows:
            if self.first_bad is None:
                self._step(row)

    def end(self, last_seq: int) -> None:
        """There are no more rows, and `last_seq` was the last that was ever written."""
        if self.first_bad is None and self.seq < last_seq:
            self.first_bad = self.seq + 1

    def _step(self, row: Row) -> None:
        if row.seq != self.seq + 1 or row.previous != self.digest or row.digest != digest_of(row):
            self.first_bad = self.seq + 1
        else:
            self.seq, self.digest = row.seq, row.digest


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
