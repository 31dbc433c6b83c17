"""What a worker's answer may hold. The server decides it, before anything of the answer is committed.

Author code shares its process with the code that speaks to the server, so whatever comes out of a worker may be forged.
A frame that does not keep to this is a **breach**: the worker is ended, its run fails (`run.overstepped`), nothing of
it is committed. An honest worker never commits one. What a record says is the contract's business: the worker checks
all of it; here it must be an entry of a port that the product has, and of the schema of that port's contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hansa.contracts.check import entry_type
from hansa.eventlog.interface import as_array
from hansa.model.product import OutputPortSpec, ProcessSpec, ProductSpec
from hansa.model.quarantine import Held, quarantine_topic
from hansa.model.run import EVENTS_TOPIC
from hansa.runtime import wire
from hansa.runtime.versions import keeps_step

ASKS: Final = frozenset({"state", "call", "connection", "secret", "lookup", "unique", "absent"})
STATE_KEY_CHARS_MAX: Final = 1024
EVENT_NAME_CHARS_MAX: Final = 1024
OUTPUT_SLACK_CHARS: Final = 256
"""What the line that says that output was cut may add to it."""
DURATION_MAX_US: Final = 1 << 50
"""Some 35 years: more is no duration, and would not fit where times are added."""
CHUNKS_MAX: Final = 1 << 40
UNANSWERED_MAX: Final = 1024
"""Asks and chunks of one worker that wait for an answer. Honest ones are few: one of each branch, and three chunks."""
SAID_PER_S_MAX: Final = 20_000
"""Asks and chunks of one worker in a second: several times what one that waits for its answers can say."""
PLACES_MAX: Final = 1 << 26
"""Records that one run withholds: as many fit into a frame."""

_held: Final = msgspec.msgpack.Decoder(list[tuple[str, Held]]).decode
DIGEST_CHARS: Final = 32
_step: Final = msgspec.msgpack.Decoder(wire.Step).decode


class _EventOrigin(msgspec.Struct, frozen=True):
    """Where an event says that it comes from: what the platform vouches for, not what its author wrote."""

    name: str
    product: str
    process: str
    revision: str
    run: str
    principal: str


_events: Final = msgspec.msgpack.Decoder(list[tuple[str | None, _EventOrigin]]).decode


class Meter:
    """Counts what a worker says in the middle of its tasks, so that it cannot flood the server. Its steps are not
    counted: `Rights` lets each be said once in a task, and how fast tasks are worked is the server's doing."""

    __slots__ = ("_said", "_second", "_unanswered")

    def __init__(self) -> None:
        self._unanswered = self._said = self._second = 0

    def breach(self, message: Any, now_s: float) -> str | None:
        """Counts one message; what is wrong where it is one too many."""
        if type(message) is wire.StepDone:
            return None
        if int(now_s) != self._second:
            self._second, self._said = int(now_s), 0
        self._said += 1
        if self._said > SAID_PER_S_MAX:
            return f"it said more than {SAID_PER_S_MAX} things in a second"
        self._unanswered += 1
        return f"it asked for more than {UNANSWERED_MAX} things at once" if self._unanswered > UNANSWERED_MAX else None

    def answered(self) -> None:
        """One of them has its answer."""
        self._unanswered -= 1


class Rights:
    """What runs of one process of one revision may do; made once per process, asked for every frame of its workers."""

    def __init__(self, product: ProductSpec, revision: str, process: ProcessSpec) -> None:
        self._product = product.id
        self._revision = revision
        self._process = process.name
        self._steps = len(process.steps)
        self._is_journalled = process.durability == "step"
        self._ports = {port.id: port for port in product.outputs}
        self._windows = tuple((older.id, newer.id) for older, newer in product.windows())
        self._in_windows = frozenset(port for versions in self._windows for port in versions)
        self._aside = {quarantine_topic(port.id): port for port in product.quarantining()}
        self._readers: dict[str, Callable[[bytes], list[Any]]] = {}
        self._readable = frozenset(self._ports) | {port.port for port in product.inputs}
        self._output_max = product.limits.output_max_bytes + OUTPUT_SLACK_CHARS

    def breach(self, task: wire.Task, message: Any) -> str | None:
        """What is wrong with a frame about `task`, in words; None where it keeps to the process's rights."""
        if type(message) is wire.Done:
            return self._done(task, message)
        if type(message) is wire.Ask:
            return None if message.what in ASKS else f"it asked for {message.what[:50]!r}"
        if type(message) is wire.StepDone:
            return self._step(task, message)
        return f"it sent {type(message).__name__} in the middle of a run"

    def _step(self, task: wire.Task, step: wire.StepDone) -> str | None:
        if step.index in task.steps:
            return f"it journalled step {step.index} twice"
        if self._is_journalled and 0 <= step.index < self._steps:
            return None if _is_step(step.result) else f"it journalled step {step.index} in no known form"
        return f"it journalled step {step.index} of {self._steps if self._is_journalled else 0}"

    def _done(self, task: wire.Task, done: wire.Done) -> str | None:
        if not 0 <= done.duration_us < DURATION_MAX_US or len(done.output) > self._output_max:
            return f"it reports {done.duration_us} µs and {len(done.output)} characters of output"
        if not 100 <= done.status <= 599 or (done.state != "succeeded" and done.state != "failed"):
            return f"it ended {done.state[:50]!r} with status {done.status}"
        if done.effects or done.puts or done.lookups or done.refused or done.chunk is not None or done.taken:
            return self._commits(task, done)
        return None

    def _commits(self, task: wire.Task, done: wire.Done) -> str | None:
        if done.chunk is not None and not 0 < done.chunk < CHUNKS_MAX:
            return f"it ended chunk {done.chunk}"
        for effect in done.effects:
            wrong = self._effect(task, effect)
            if wrong is not None:
                return wrong
        if not task.steps and not keeps_step(done.effects, self._windows):
            return "it published to one version of a port alone"
        for put in done.puts:
            if len(put.key) > STATE_KEY_CHARS_MAX:
                return f"it changed state under a key of {len(put.key)} characters"
        for port, position in done.lookups:
            if port not in self._readable or position < 0:
                return f"it looked up {port[:200]!r} at {position}, which is no input of the product"
        for unique in done.taken:
            if unique.port not in self._ports or len(unique.digest) != DIGEST_CHARS or len(unique.owner) > DIGEST_CHARS:
                return f"it took a value of {unique.port[:200]!r}, which is no output port of the product"
        return _refused(task, done) if done.refused else None

    def _effect(self, task: wire.Task, effect: wire.Effect) -> str | None:
        if effect.topic == EVENTS_TOPIC:
            return self._emitted(task, effect)
        port = self._ports.get(effect.topic) or self._aside.get(effect.topic)
        if port is None:
            return f"it published to {effect.topic[:200]!r}, which is no output port of the product"
        is_aside = effect.topic in self._aside
        if not 0 <= effect.partition < (1 if is_aside else port.partitions):
            return f"it published to partition {effect.partition} of {effect.topic}, which has {port.partitions}"
        if effect.subject is not None and not port.contract.subject:
            return f"it named a person for {port.id}, whose contract names none"
        if not effect.entries and effect.topic in self._in_windows:
            return None if 0 < effect.count < PLACES_MAX else f"it keeps {effect.count} places of {port.id}"
        return malformed(effect, _held if is_aside else self._reader(port))

    def _reader(self, port: OutputPortSpec) -> Callable[[bytes], list[Any]]:
        """Decodes the entries of a port as records of its contract."""
        if port.id not in self._readers:
            self._readers[port.id] = entries_of(port)
        return self._readers[port.id]

    def _emitted(self, task: wire.Task, effect: wire.Effect) -> str | None:
        if effect.partition != 0 or effect.subject is not None:
            return f"it emitted to partition {effect.partition} of the events"
        try:
            events = _events(as_array(effect.entries, effect.count))
        except (msgspec.MsgspecError, OverflowError, RecursionError) as fault:
            return f"it emitted {effect.count} events that cannot be read: {fault}"
        for _, origin in events:
            if (
                origin.product != self._product or origin.run != task.run or origin.process != self._process
                or origin.revision != self._revision or origin.principal != task.principal
            ):  # fmt: skip
                return f"it emitted an event in the name of {origin.product[:200]}:{origin.process[:200]}"
            if not 0 < len(origin.name) <= EVENT_NAME_CHARS_MAX:
                return f"it emitted an event with a name of {len(origin.name)} characters"
        return None


def _is_step(journalled: bytes) -> bool:
    try:
        _step(journalled)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def entries_of(port: OutputPortSpec) -> Callable[[bytes], list[Any]]:
    """Decodes entries of a port as records of its contract, each with its key."""
    kind = list[tuple[str | None, entry_type(port)]]  # type: ignore[misc,valid-type]
    return msgspec.msgpack.Decoder(kind).decode


def malformed(effect: wire.Effect, decode: Callable[[bytes], list[Any]]) -> str | None:
    """What is wrong with the entries of an effect. The log counts on `count`: positions are given by it. Whoever reads
    the port counts on its schema."""
    try:
        if effect.count > 0 and len(decode(as_array(effect.entries, effect.count))) == effect.count:
            return None
    except (msgspec.MsgspecError, OverflowError, RecursionError, UnicodeDecodeError) as fault:
        return f"it published {effect.count} records to {effect.topic} that cannot be read: {fault}"
    return f"it published {effect.count} records to {effect.topic}"


def _refused(task: wire.Task, done: wire.Done) -> str | None:
    if done.chunk is not None:
        return None  # of the records that it made itself; how many that were only it knows
    given = sum([part.count for part in task.records])
    if len(done.refused) <= given and all(0 <= index < given for index, _, _ in done.refused):
        return None
    return f"it refused {len(done.refused)} records of {given}"
