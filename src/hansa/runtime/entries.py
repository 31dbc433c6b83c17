"""What of a run goes into the log, and how its end is answered: decided here, committed by the engine."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from hansa.errors import HansaError
from hansa.eventlog.batch import forgotten
from hansa.eventlog.interface import WITHHELD, Append, Claim, Committed, Outcome, Put, Refused
from hansa.model.ids import subject_name
from hansa.model.quarantine import unique_scope
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, LogicRun, RunEntry, RunError, RunState, new_run_id
from hansa.runtime import wire
from hansa.runtime.job import Lost
from hansa.runtime.run import Answer, Run

IDEMPOTENCY_S: Final = 24 * 3600

_encode: Final = msgspec.msgpack.Encoder().encode
_NO_HEADER: Final[dict[str, Any]] = {}
_STATES: Final = {state.value: state for state in RunState}


def entry_of(run: Run, state: RunState, done: wire.Done | None = None, *, dead: bool = False) -> RunEntry:
    """The run as its history has it: as it was accepted, or with what an attempt of it came to."""
    product, context = run.live.product, run.context
    common = (
        run.id, state.value, product.id, product.revision, run.live.spec.name, run.attempt, run.kind, run.detail,
        run.principal, run.parent, context and context.text, run.accepted_us,
    )  # fmt: skip
    if done is None:
        return RunEntry(
            *common, payload=run.source, idempotency_key=run.idempotency_key, replay_of=run.replay_of, dry=run.dry
        )
    reads = [*run.reads, *((port, 0, -1, at) for port, at in done.lookups)] if done.lookups else run.reads
    writes, events = _counted(done.effects)
    return RunEntry(
        *common, run.started_us, run.started_us + done.duration_us, b"" if run.noted else run.source, done.result,
        done.status, _with_type(done), done.error, done.logic, done.output, reads, writes, events,
        run.idempotency_key, dead, run.replay_of, run.dry, run.uses, done.checks,
    )  # fmt: skip


def append_of(entry: RunEntry) -> Append:
    """The entry in the topic of runs."""
    return Append(RUNS_TOPIC, 0, 1, _encode((entry.id, entry)), _NO_HEADER)


def effects_of(run: Run, done: wire.Done, run_id: str) -> list[Append]:
    """The records and events that an attempt made, in the name of `run_id`."""
    if not done.effects:
        return []
    product = run.live.product
    header: dict[str, Any] = {
        "run": run_id, "product": product.id, "revision": product.revision, "process": run.live.spec.name
    }  # fmt: skip
    if run.replay_of is not None:
        header["replay_of"] = run.replay_of
    sends = run.sends or run.context
    if sends is not None:
        header["trace"] = sends.text
        if sends.state:
            header["trace_state"] = sends.state
    return [append_effect(effect, header, product.id) for effect in done.effects]


def append_effect(effect: wire.Effect, header: dict[str, Any], product: str) -> Append:
    """An effect of a run of `product`, as the log takes it."""
    if effect.subject is not None:
        header = {**header, "subject": subject_name(product, effect.subject)}
    elif not effect.entries:
        blank = forgotten(effect.count)
        return Append(effect.topic, effect.partition, effect.count, blank, {**header, WITHHELD: True})
    return Append(effect.topic, effect.partition, effect.count, effect.entries, header)


def chunk_entry(run: Run, done: wire.Done) -> RunEntry:
    """A chunk of a long load: a child of the run, with an end of its own."""
    entry = entry_of(run, RunState.SUCCEEDED, done)
    return msgspec.structs.replace(entry, id=new_run_id(), parent=run.id, payload=b"", trigger="chunk")


def dead_letters(run: Run, done: wire.Done, parent: str) -> list[RunEntry]:
    """A dead letter for each record of a batch or chunk that failed alone, each a child of the run that it failed
    in."""
    if not done.refused:
        return []
    port = run.detail.get("port", "")
    return [
        msgspec.structs.replace(
            entry_of(run, RunState.FAILED, done, dead=True),
            id=new_run_id(), parent=parent, payload=_encode(wire.Source("record", record, detail={"port": port})),
            error=error, trigger="record", result=b"", status=500,
            logic=[LogicRun(error.origin or "", "failed", 0, error.message)], writes=[], events=0,
        )
        for _, record, error in done.refused
    ]  # fmt: skip


def state_puts(run: Run, done: wire.Done) -> tuple[Put, ...]:
    """What the run leaves in the state of its process, and the values that it takes for good."""
    puts = tuple([Put(run.live.state_scope, p.key, p.value, p.expected) for p in done.puts]) if done.puts else ()
    return (*puts, *taking(done.taken)) if done.taken else puts


def taking(taken: list[wire.Unique]) -> list[Put]:
    """Takes values that must be unique; refused where another run has taken one since it was looked."""
    return [Put(unique_scope(u.port, u.rule), u.digest, u.owner.encode(), expected=None) for u in taken]


def claims_of(run: Run) -> tuple[Claim, ...]:
    """The run's idempotency key, where it has one that is not taken for it yet. A replay takes none."""
    if run.idempotency_key is None or run.claimed or run.replay_of is not None:
        return ()
    until_us = time.time_ns() // 1000 + IDEMPOTENCY_S * 1_000_000
    return (Claim(run.live.claim_scope, run.idempotency_key, run.id.encode(), until_us),)


def lost(run: Run, end: Lost) -> wire.Done:
    """What stands in the history for an attempt whose worker ended."""
    took_us = max(time.time_ns() // 1000 - run.started_us, 0)
    code, message, hint = {
        "timed_out": (
            "run.timed_out",
            f"It took longer than {run.live.spec.timeout_s:g} s",
            "Raise timeout_s, or use chunks.",
        ),
        "cancelled": ("run.cancelled", "It was cancelled", None),
        "overstepped": (
            "run.overstepped",
            f"Its worker was ended, and nothing of it was committed: {end.detail}",
            "Code of the product, or of a package that it requires, writes into Hansa's own channel.",
        ),
    }.get(end.reason, ("run.crashed", "Its worker ended while it ran", "The output shows what the process last wrote."))
    error = RunError(code, message, hint=hint, details={"output": end.detail} if end.detail else None)
    status = 504 if end.reason == "timed_out" else 500
    return wire.Done(run.seq, "failed", status, b"", "application/json", took_us, [], error=error, output=end.detail)


def begun_anew(entry: RunEntry) -> RunEntry:
    """The end of a run of a subscription that is not there any more, or stands elsewhere."""
    error = RunError(
        "run.begun_anew",
        "Its subscription does not wait for it any more",
        hint="Where there is a subscription still, its records are worked by another run.",
    )
    return _cut_short(entry, error)


def given_up(entry: RunEntry) -> RunEntry:
    """The end of a run that was cancelled while it waited for its process to be served again."""
    return _cut_short(entry, RunError("run.cancelled", "It was cancelled"))


def _cut_short(entry: RunEntry, error: RunError) -> RunEntry:
    now_us = time.time_ns() // 1000
    return msgspec.structs.replace(
        entry, state=RunState.CANCELLED.value, error=error, payload=b"", finished_us=max(now_us, entry.started_us)
    )


def answer_of(run: Run, entry: RunEntry, outcome: Outcome) -> Answer:
    """What whoever waits for the run is told, once its last commit came to `outcome`."""
    if isinstance(outcome, Committed):
        return Answer(
            run.id, _STATES[entry.state], entry.status, entry.result, _content_type(entry), entry.headers,
            entry.error, outcome.token, entry.accepted_us, entry.finished_us,
        )  # fmt: skip
    if isinstance(outcome, Refused) and outcome.code == "claim.taken" and isinstance(outcome.value, bytes):
        return earlier_run(outcome.value)
    return Answer(run.id, RunState.FAILED, 503, b"", "", error=refusal(outcome))


def earlier_run(run_id: bytes) -> Answer:
    """The answer for a call whose idempotency key an earlier run has: that run's."""
    return Answer(run_id.decode(), RunState.ACCEPTED, 202, b"", "", headers={"Idempotent-Replay": "true"})


def refusal(outcome: Outcome) -> RunError:
    """Why nothing was committed."""
    if isinstance(outcome, HansaError):
        return RunError(outcome.code, outcome.message, hint=outcome.hint)
    if isinstance(outcome, Refused):
        return RunError(outcome.code, outcome.message)
    return RunError("log.stopped", str(outcome))


def _counted(effects: list[wire.Effect]) -> tuple[list[tuple[str, int]], int]:
    """Records by port, and the number of events."""
    writes: dict[str, int] = {}
    events = 0
    for effect in effects:
        if effect.topic == EVENTS_TOPIC:
            events += effect.count
        elif not effect.topic.startswith("_"):
            writes[effect.topic] = writes.get(effect.topic, 0) + effect.count
    return list(writes.items()), events


def _with_type(done: wire.Done) -> dict[str, str] | None:
    if done.content_type == "application/json":
        return done.headers
    return {**(done.headers or {}), "content-type": done.content_type}


def _content_type(entry: RunEntry) -> str:
    return (entry.headers or {}).get("content-type", "application/json")
