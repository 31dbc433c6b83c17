"""Runs: their states, what starts them, and what the log keeps of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec


class RunState(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


FINAL: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT})

RUNS_TOPIC: Final = "_runs"
EVENTS_TOPIC: Final = "_events"
AUDIT_TOPIC: Final = "_audit"
LANDING: Final = "_landing:"
"""How topics begin that messages of other systems land in."""
KEEPING_TOPIC: Final = "_keeping"
"""What is asked of everything that follows the log: see `hansa.views.keeping`."""
CARRIED: Final = "carried"
"""In the header of an entry that retention wrote anew because its run is a dead letter: the position where it stood."""
FORGOTTEN: Final = "Forgotten with a person"
"""Stands in place of what an error said."""


def landing_topic(group: str) -> str:
    """Where messages of another system land for a group to follow."""
    return f"{LANDING}{group}"


class LogicRun(msgspec.Struct, array_like=True, frozen=True):
    """One logic within a run. `state`: succeeded, failed, handled (its `on_error` ran), skipped."""

    name: str
    state: str
    duration_us: int
    error: str | None = None


class RunError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run failed: the code, the message, the logic it came from and the author's part of the traceback."""

    code: str
    message: str
    origin: str | None = None
    traceback: str | None = None
    hint: str | None = None
    details: dict[str, Any] | None = None


class CheckResult(msgspec.Struct, array_like=True, frozen=True):
    """What one check of a contract came to in a run. `state`: passed, warning, failed, error, skipped. `rule` is the
    rule's id, `schema` for the schema itself; `checked` and `bad` count records, or batches where something is
    `measured` of a batch."""

    port: str
    rule: str
    path: str
    state: str
    checked: int = 0
    bad: int = 0
    action: str = ""
    measured: float | None = None
    note: str = ""


class RunEntry(msgspec.Struct, array_like=True, frozen=True):
    """One entry of the topic `_runs`: what is known of a run when its state changed. Times are microseconds UTC.

    `payload` and `result` are msgpack. A later entry of the same id carries everything the earlier one had, but the
    payload, which stands only in the entry that first had it (`payload` is then empty).
    """

    id: str
    state: str
    product: str
    revision: str
    process: str
    attempt: int = 1
    trigger: str = ""
    trigger_detail: Mapping[str, Any] = {}
    principal: str = ""
    parent: str | None = None
    trace: str | None = None
    accepted_us: int = 0
    started_us: int = 0
    finished_us: int = 0
    payload: bytes = b""
    result: bytes = b""
    status: int = 200
    headers: dict[str, str] | None = None
    error: RunError | None = None
    logic: list[LogicRun] = []
    output: str = ""
    reads: Sequence[tuple[str, int, int, int]] = []
    """(port, partition, first position, position behind the last) of what the run consumed; lookups have first = -1."""
    writes: list[tuple[str, int]] = []
    """(port, records) that the run published."""
    events: int = 0
    idempotency_key: str | None = None
    dead: bool = False
    """True where the run failed for good and waits as a dead letter."""
    replay_of: str | None = None
    dry: bool = False
    uses: Sequence[tuple[str, str, str, str]] = []
    """(logic, connection, operation, target) of every call to the outside, in order."""
    checks: Sequence[CheckResult] = []
    """What the rules of the ports that it published to came to; empty where their contracts have none and hold."""


def without_content(entry: RunEntry) -> RunEntry:
    """What stays of a run that speaks of a person who is forgotten: that it was, when, of which code, and how it ended;
    not what went in or came out."""
    error = None if entry.error is None else RunError(entry.error.code, FORGOTTEN, entry.error.origin)
    return msgspec.structs.replace(
        entry, payload=b"", result=b"", headers=None, output="", error=error, idempotency_key=None,
        logic=[msgspec.structs.replace(logic, error=logic.error and FORGOTTEN) for logic in entry.logic],
        uses=[(logic, connection, operation, "") for logic, connection, operation, _ in entry.uses],
    )  # fmt: skip


_entropy = bytearray(os.urandom(4096))
_at = 0


def new_run_id() -> str:
    """A UUIDv7 (RFC 9562 section 5.7): sorts by its millisecond; 74 random bits."""
    global _entropy, _at
    if _at >= len(_entropy):
        _entropy = bytearray(os.urandom(4096))
        _at = 0
    rand = int.from_bytes(_entropy[_at : _at + 10], "big")
    _at += 10
    ms = time.time_ns() // 1_000_000
    value = (ms << 80) | (0x7 << 76) | ((rand >> 62 & 0xFFF) << 64) | (0b10 << 62) | (rand & (1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
