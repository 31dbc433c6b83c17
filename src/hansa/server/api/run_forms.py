"""Runs as the API answers them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from hansa.discovery.runs import RunPage, RunSummary
from hansa.errors import CallerError
from hansa.model.run import FINAL, RunEntry, RunError
from hansa.runtime import wire
from hansa.runtime.run import Answer
from hansa.server.api.base import json_response, problem_of
from hansa.server.forms import Moment, Waiting
from hansa.server.merge import rfc3339


class RunsFound(msgspec.Struct, frozen=True):
    """A page of runs; `next` is what `after` takes for the page behind, `behind` says why the newest may be missing."""

    items: list[RunSummary]
    next: str | None
    behind: str | None

    @staticmethod
    def of(page: RunPage, behind: str | None) -> RunsFound:
        return RunsFound(page.runs, page.next, behind)


class LogicTold(msgspec.Struct, frozen=True):
    """One logic within a run: succeeded, failed, handled (its `on_error` ran) or skipped."""

    name: str
    state: str
    duration_ms: float
    error: str | None


class Consumed(msgspec.Struct, frozen=True):
    """Records that a run read: from a position to the one behind the last. A lookup has `from` -1."""

    port: str
    partition: int
    first: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")


class Published(msgspec.Struct, frozen=True):
    """How many records a run published to a port."""

    port: str
    records: int


class CheckTold(msgspec.Struct, frozen=True):
    """What one rule of a contract came to in a run: passed, warning, failed, error or skipped. `checked` and `bad`
    count records, or batches where something is `measured` of a batch; `note` says why a rule was skipped."""

    port: str
    rule: str
    path: str
    state: str
    checked: int
    bad: int
    action: str
    measured: float | None
    note: str


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A run: what started it, what went in and came out, each logic, and what it read, published and used.

    `payload` has the body and what is known of the call; `uses` has (logic, connection, operation, target) of each
    call to the outside.
    """

    id: str
    state: str
    product: str
    revision: str
    process: str
    attempt: int
    trigger: str
    trigger_detail: dict[str, Any]
    principal: str
    parent: str | None
    trace: str | None
    accepted_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    duration_ms: float | None
    payload: Any
    result: Any
    status: int
    headers: dict[str, str] | None
    error: RunError | None
    logic: list[LogicTold]
    output: str
    reads: list[Consumed]
    writes: list[Published]
    events: int
    idempotency_key: str | None
    dead: bool
    replay_of: str | None
    dry: bool
    uses: list[tuple[str, str, str, str]]
    checks: list[CheckTold]
    children: list[str]


class Output(msgspec.Struct, frozen=True):
    """What a run printed, or why it failed."""

    run: str
    process: str
    state: str
    text: str
    error: RunError | msgspec.UnsetType = msgspec.UNSET

    @staticmethod
    def of(entry: RunEntry) -> Output:
        process = f"{entry.product}:{entry.process}"
        return Output(entry.id, process, entry.state, entry.output, entry.error or msgspec.UNSET)


def run_detail(entry: RunEntry, children: list[str]) -> RunDetail:
    """A run with its payload and result decoded, and times as text. `children` are the runs that it started."""
    found = msgspec.structs.asdict(entry)
    times = {f"{name}_at": _moment(found.pop(f"{name}_us")) for name in ("accepted", "started", "finished")}
    took_ms = max(entry.finished_us - entry.started_us, 0) / 1000 if entry.finished_us else None
    decoded = {
        "trigger_detail": dict(entry.trigger_detail),
        "payload": _payload(entry.payload),
        "result": _value(entry.result),
        "logic": [LogicTold(run.name, run.state, run.duration_us / 1000, run.error) for run in entry.logic],
        "reads": [Consumed(*read) for read in entry.reads],
        "writes": [Published(port, records) for port, records in entry.writes],
        "checks": [CheckTold(**msgspec.structs.asdict(check)) for check in entry.checks],
        "uses": [tuple(use) for use in entry.uses],
    }
    return RunDetail(**{**found, **times, **decoded}, duration_ms=took_ms, children=children)


def _moment(time_us: int) -> str | None:
    return rfc3339(time_us) if time_us else None


def _payload(payload: bytes) -> Any:
    if not payload:
        return None
    source = msgspec.msgpack.decode(payload, type=wire.Source)
    found: dict[str, Any] = {"body": _value(source.body)}
    for name in ("method", "url", "path", "query", "content_type", "detail"):
        if getattr(source, name):
            found[name] = getattr(source, name)
    return found


def _value(data: bytes) -> Any:
    """Bytes as the JSON value that they are, else as text."""
    if not data:
        return None
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace")


def answered(answer: Answer) -> Response:
    """The answer of a run over HTTP: its result, 202 while there is none, or its error."""
    headers = {"hansa-run": answer.run}
    if answer.token:
        headers["hansa-token"] = answer.token
    if answer.state not in FINAL:
        return json_response(Waiting(answer.run, answer.state, f"/runs/{answer.run}/result"), 202, headers)
    if answer.error is not None and not answer.result:
        error = answer.error
        details = {
            **(error.details or {}),
            "status": answer.status if answer.status >= 400 else 500,
            "origin": error.origin,
            "traceback": error.traceback,
        }
        return problem_of(CallerError(error.code, error.message, hint=error.hint, details=details), run=answer.run)
    return Response(answer.result, answer.status, {**headers, **(answer.headers or {})}, answer.content_type)
