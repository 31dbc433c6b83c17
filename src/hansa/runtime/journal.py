"""What of a run must survive before it is over: its place among the unfinished, its steps, its chunks.

A run that is accepted ahead, waits for an attempt, or has committed a step or a chunk stands in the state scope
`_pending` until its last commit; `_steps` has the results of its logic, `_chunks` how far a load has come. After a
crash `unfinished` makes the runs anew from these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Put
from hansa.model.run import RunEntry, RunState
from hansa.model.trace import context_of
from hansa.runtime import wire
from hansa.runtime.decide import before_state
from hansa.runtime.entries import append_of, begun_anew, claims_of, entry_of, given_up, state_puts
from hansa.runtime.live import LiveProcess
from hansa.runtime.run import Run

PENDING: Final = "_pending"
STEPS: Final = "_steps"
CHUNKS: Final = "_chunks"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_reached: Final = msgspec.msgpack.Decoder(tuple[int, bytes | None]).decode


class Pending(msgspec.Struct, array_like=True, frozen=True):
    """What is needed to start an unfinished run again: its entry so far, and when its next attempt is due."""

    entry: RunEntry
    due_us: int
    advances: list[tuple[str, str, int, int, int]] = []
    claimed: bool = False
    node: str = ""
    """The node that is at it."""


class Journal:
    """Keeps runs of this server in its log; `node` is its name. The methods that return puts or sets leave it to the
    caller to commit them."""

    def __init__(self, log: AwaitableLog, node: str = "") -> None:
        self._log, self._node = log, node

    def keep(self, run: Run, entry: RunEntry | None = None) -> tuple[tuple[Put, ...], tuple[Claim, ...]]:
        """The run's place among the unfinished and its idempotency key, taken with the first thing of it that must
        survive: from then on it goes on by itself, and another call with its key is answered by it."""
        if run.durable:
            return (), ()
        claims = claims_of(run)
        run.claimed = True
        run.pending = self._encoded(entry or entry_of(run, RunState.ACCEPTED), 0, run.advances)
        return (Put(PENDING, run.id, run.pending),), claims

    def _encoded(self, entry: RunEntry, due_us: int, advances: tuple[Advance, ...]) -> bytes:
        return _encode(Pending(entry, due_us, _plain(advances), claimed=True, node=self._node))

    def step(self, run: Run, done: wire.StepDone) -> None:
        """Keeps what a logic did, so that another attempt goes on behind it."""
        run.journalled = {**run.journalled, done.index: done.result}
        run.advance(steps=run.journalled)
        puts, claims = self.keep(run)
        put = Put(STEPS, f"{run.id}/{done.index}", done.result)
        self._log.submit(CommitSet(puts=(put, *puts), claims=claims), run.note_refusal)

    def chunk(self, run: Run, done: wire.Done, appends: tuple[Append, ...]) -> CommitSet:
        """What a chunk commits; refused unless the one before it is committed, and the first one unless what the run
        has kept before stands: else another run has its idempotency key, or another node has ended it."""
        stands = (Put(PENDING, run.id, run.pending, expected=run.pending),) if run.durable and not run.reached else ()
        puts, claims = self.keep(run)
        before, run.children = run.reached, run.children + 1
        run.position = done.position or run.position
        run.reached = _encode((run.children, run.position))
        run.advance(position=run.position)
        behind_the_last = Put(CHUNKS, run.id, run.reached, expected=before)
        puts = (*stands, *puts, behind_the_last, *state_puts(run, done))
        return CommitSet(appends, puts=puts, claims=claims, fence=run.fence)

    def wait(self, run: Run, entry: RunEntry, due_us: int) -> CommitSet:
        """Keeps the run until its next attempt is due; `entry` is that of the attempt before. Refused where what it had
        kept before does not stand: then another run has its idempotency key."""
        waiting = msgspec.structs.replace(entry, attempt=run.attempt, payload=run.source)
        claims, before = claims_of(run), run.pending
        run.pending = self._encoded(waiting, due_us, run.advances)
        run.noted = run.claimed = True
        put = Put(PENDING, run.id, run.pending, expected=before)
        return CommitSet(appends=(append_of(entry),), puts=(put,), claims=claims, fence=run.fence)

    def cleared(self, run: Run) -> tuple[Put, ...]:
        """Takes a run that is over from among the unfinished, with what was journalled of it. Refused where it does not
        stand there: then another run has its idempotency key."""
        if not run.durable:
            return ()
        chunks = () if run.reached is None else (Put(CHUNKS, run.id, None),)
        stands = Put(PENDING, run.id, None, expected=run.pending)
        return (stands, *(Put(STEPS, f"{run.id}/{i}", None) for i in run.journalled), *chunks)

    def given_up(self, run_id: str) -> CommitSet | None:
        """Takes a run that nobody is at from among the unfinished; None where it does not stand there."""
        value = self._log.log.get(PENDING, run_id)
        if value is None:
            return None
        entry = given_up(msgspec.msgpack.decode(value, type=Pending).entry)
        steps = [key for key, _ in self._log.log.scan(STEPS) if key.partition("/")[0] == run_id]
        gone = [Put(STEPS, key, None) for key in steps]
        return CommitSet(
            (append_of(entry),), puts=(Put(PENDING, run_id, None, value), Put(CHUNKS, run_id, None), *gone)
        )

    def rewind(self, run: Run, *, steps: bool = True) -> bool:
        """Back to what stands in the log, less the steps that knew a state that may have moved (all, without `steps`);
        False where nothing does."""
        run.pending = self._log.log.get(PENDING, run.id)
        if not run.durable:
            run.claimed = run.noted = False
        sound = before_state(run.journalled) if steps else {}
        gone = [Put(STEPS, f"{run.id}/{index}", None) for index in run.journalled.keys() - sound.keys()]
        if gone:
            self._log.submit(CommitSet(puts=tuple(gone)), ignore)
        run.journalled = sound
        self._behind_chunks(run)
        return run.durable

    def of_subscription(self, group: str, topic: str, partition: int) -> tuple[str, bytes, Pending] | None:
        """The run that stands unfinished for a partition of a subscription: its id, what stands there, and decoded."""
        for run_id, value in list(self._log.log.scan(PENDING)):
            pending = msgspec.msgpack.decode(value, type=Pending)
            if any(tuple(advance[:3]) == (group, topic, partition) for advance in pending.advances):
                return run_id, value, pending
        return None

    def unfinished(
        self,
        find: Callable[[str, str], LiveProcess | None],
        follows: Callable[[str, str], bool],
        active: Collection[str],
        is_lost: Callable[[str], bool],
    ) -> list[tuple[Run, int]]:
        """The runs of nodes that are lost, which stand unfinished in the log and are not `active`, with the time in µs
        when each is due. Those of subscriptions are taken up by them (`of_subscription`) where a group still `follows`
        its topic; the others are over. What was journalled of runs that are over is taken away. The process of a run
        that `find` does not know leaves it for later."""
        runs: list[tuple[Run, int]] = []
        journalled = [(scope, key) for scope in (STEPS, CHUNKS) for key, _ in self._log.log.scan(scope)]
        left: list[Put] = []
        ends: list[Append] = []
        stay = set()
        for run_id, value in list(self._log.log.scan(PENDING)):
            stay.add(run_id)
            if run_id in active:
                continue
            pending = msgspec.msgpack.decode(value, type=Pending)
            if not is_lost(pending.node):
                continue
            if any(
                not follows(group, topic) or self._moved(group, topic, *at) for group, topic, *at in pending.advances
            ):
                left.append(Put(PENDING, run_id, None, expected=value))
                ends.append(append_of(begun_anew(pending.entry)))
                stay.remove(run_id)
                continue
            if pending.advances:
                continue
            live = find(pending.entry.product, pending.entry.process)
            if live is not None:
                runs.append((self.restored(run_id, value, pending, live), pending.due_us))
        left += [Put(scope, key, None) for scope, key in journalled if key.partition("/")[0] not in stay]
        if left:
            self._log.submit(CommitSet(appends=tuple(ends), puts=tuple(left)), ignore)
        return runs

    def _moved(self, group: str, topic: str, partition: int, _: int, expected: int) -> bool:
        """Whether what a run of a subscription would read was read by another."""
        return (self._log.log.position(group, topic, partition) or 0) != expected

    def restored(self, run_id: str, value: bytes, pending: Pending, live: LiveProcess) -> Run:
        """The run as it stands in the log, to go on behind what it has journalled."""
        entry = pending.entry
        run = Run(live, entry.trigger, entry.payload, entry.principal, ignore)
        run.id, run.attempt, run.accepted_us = run_id, entry.attempt, entry.accepted_us
        run.parent, run.context, run.replay_of = entry.parent, context_of(entry.trace), entry.replay_of
        run.detail, run.idempotency_key = entry.trigger_detail, entry.idempotency_key
        run.pending, run.claimed = value, pending.claimed
        run.advances = tuple(Advance(*advance) for advance in pending.advances)
        self._behind_chunks(run)
        steps = ((index, self._log.log.get(STEPS, f"{run_id}/{index}")) for index in range(len(live.spec.steps)))
        run.journalled = {index: result for index, result in steps if result is not None}
        return run

    def _behind_chunks(self, run: Run) -> None:
        """The run goes on behind the last chunk that was committed."""
        run.reached = self._log.log.get(CHUNKS, run.id)
        run.children, run.position = (0, None) if run.reached is None else _decode_reached(run.reached)


def ignore(_: Any) -> None:
    """For what nobody waits for."""


def _plain(advances: tuple[Advance, ...]) -> list[tuple[str, str, int, int, int]]:
    return [(a.group, a.topic, a.partition, a.next, a.expected or 0) for a in advances]
