"""The context that author code sees, in a worker or in the author's own process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from hansa.errors import AuthorError, CallerError
from hansa.model.run import EVENTS_TOPIC
from hansa.runtime import wire
from hansa.sdk.context import Context, Output, RunInfo, State, TriggerInfo
from hansa.sdk.ports import OutputPort, Port, Record

R = TypeVar("R", bound=Record)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Door(Protocol):
    """The way to the server: `ask("state", …)` waits for the answer and raises what it refuses. `logic` is the one
    at work."""

    logic: str

    def ask(self, what: str, arguments: Any) -> Any: ...


class Lookup(Protocol):
    """The read model of one lookup port, as of one position for the whole run."""

    def get(self, key: str, at: int | None = None) -> bytes | None: ...

    def position(self) -> int: ...


class Buffer:
    """What a run publishes, emits and changes, until its commit."""

    def __init__(self) -> None:
        self.effects: list[wire.Effect] = []
        self.events: list[bytes] = []
        self.state: dict[str, tuple[bytes | None, bytes | None]] = {}

    def mark(self) -> tuple[int, int, dict[str, tuple[bytes | None, bytes | None]]]:
        return len(self.effects), len(self.events), self.state

    def keep(self, mark: tuple[int, int, dict[str, tuple[bytes | None, bytes | None]]]) -> None:
        del self.effects[mark[0] :]
        del self.events[mark[1] :]
        self.state = mark[2]

    def taken(self) -> tuple[list[wire.Effect], list[wire.StatePut]]:
        """Everything, gathered by port and partition; the buffer is empty afterwards."""
        effects = gathered(self.effects)
        if self.events:
            effects.append(wire.Effect(EVENTS_TOPIC, 0, len(self.events), b"".join(self.events)))
        puts = [wire.StatePut(key, new, old) for key, (new, old) in self.state.items() if new != old]
        self.effects, self.events, self.state = [], [], {}
        return effects, puts


def gathered(effects: list[wire.Effect]) -> list[wire.Effect]:
    """Neighbouring entries of one partition and one subject as one effect."""
    if len(effects) < 2:
        return list(effects)
    lanes: dict[tuple[str, int], list[list[wire.Effect]]] = {}
    for effect in effects:
        lane = lanes.setdefault((effect.topic, effect.partition), [])
        if lane and lane[-1][0].subject == effect.subject:
            lane[-1].append(effect)
        else:
            lane.append([effect])
    return [
        group[0]
        if len(group) == 1
        else wire.Effect(
            topic, partition, sum([e.count for e in group]), b"".join([e.entries for e in group]), group[0].subject
        )
        for (topic, partition), lane in lanes.items()
        for group in lane
    ]


class RunState(State):
    """State of a process: asked for once a key, changed in the buffer, refused at the commit if another run was
    faster."""

    def __init__(self, buffer: Buffer, door: Door) -> None:
        self._buffer = buffer
        self._door = door
        self._known: dict[str, bytes | None] = {}

    def _standing(self, key: str) -> bytes | None:
        if key not in self._known:
            self._known[key] = self._door.ask("state", ["get", key])
        return self._known[key]

    def get(self, key: str, default: Any = None) -> Any:
        changed = self._buffer.state.get(key)
        value = self._standing(key) if changed is None else changed[0]
        return default if value is None else _decode(value)

    def put(self, key: str, value: Any) -> None:
        self._change(key, _encode(value))

    def remove(self, key: str) -> None:
        self._change(key, None)

    def _change(self, key: str, value: bytes | None) -> None:
        self._buffer.state = {**self._buffer.state, key: (value, self._standing(key))}

    def keys(self, prefix: str = "") -> Iterator[str]:
        stored = set(self._door.ask("state", ["keys", prefix]))
        for key, (value, _) in self._buffer.state.items():
            if key.startswith(prefix):
                (stored.discard if value is None else stored.add)(key)
        return iter(sorted(stored))


class Secrets(Mapping[str, str]):
    """The product's secrets, each asked for when it is read; they stand in no variable of the worker before."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __getitem__(self, name: str) -> str:
        value: str | None = self._door.ask("secret", ["get", name])
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._door.ask("secret", ["names"]))

    def __len__(self) -> int:
        return len(self._door.ask("secret", ["names"]))


class CappedOutput(Output):
    """The output of a run, cut after `max_bytes` with a line that says so."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._parts: list[str] = []
        self._size = 0

    def write(self, level: str, text: str, **fields: Any) -> None:
        told = "".join(f" {name}={value!r}" for name, value in fields.items())
        self.add(f"{level}: {text}{told}\n")

    def add(self, text: str) -> None:
        """Text as it was printed."""
        if self._size > self._max:
            return
        self._size += len(text)
        if self._size > self._max:
            text = text[: max(self._max - self._size + len(text), 0)] + f"\n[output was cut after {self._max} bytes]\n"
        self._parts.append(text)

    def taken(self) -> str:
        """What was written since the last call."""
        if not self._parts:
            return ""
        text, self._parts, self._size = "".join(self._parts), [], 0
        return text


class RunContext(Context):
    """`ctx` of one attempt."""

    def __init__(
        self,
        run: RunInfo,
        trigger: Callable[[], TriggerInfo],
        buffer: Buffer,
        door: Door,
        output: CappedOutput,
        lookups: Callable[[str], Lookup],
        now_us: Callable[[], int],
        at: Mapping[str, int],
    ) -> None:
        self.run = run
        self.output = output
        self.secrets = Secrets(door)
        self.state = RunState(buffer, door)
        self.position = None
        self.logic = ""
        self.looked_up: dict[str, int] = {}
        self._trigger = trigger
        self._buffer = buffer
        self._door = door
        self._lookups = lookups
        self._now_us = now_us
        self._at = at
        self._began: datetime | None = None
        self._made = 0
        self._scratch: dict[str, Any] | None = None

    @property
    def trigger(self) -> TriggerInfo:  # type: ignore[override]
        return self._trigger()

    @property
    def scratch(self) -> dict[str, Any]:  # type: ignore[override]
        if self._scratch is None:
            self._scratch = {}
        return self._scratch

    def publish(self, port: OutputPort[R], records: R | Iterable[R]) -> None:
        self._own(port)
        rows = [records] if isinstance(records, Record) else records
        for part in port.encode(rows):
            self._buffer.effects.append(wire.Effect(port.id, part.partition, part.count, part.entries, part.subject))

    def _own(self, port: OutputPort[Any]) -> None:
        owner = port.id.partition("/")[0]
        if owner != self.run.product:
            raise AuthorError(
                "port.not_own",
                f"{self.run.product} cannot publish to {port.id}: it belongs to {owner}",
                hint="Publish to an output port of this product, or call a process of the other one.",
            )

    def emit(
        self,
        name: str,
        *,
        source: str | None = None,
        target: str | None = None,
        payload: Any = None,
        key: str | None = None,
    ) -> None:
        body = {
            "id": str(self.uuid()), "name": name, "source": source if source is not None else self.run.product,
            "target": target, "payload": payload, "time_us": self._now_us(), "run": self.run.id,
            "product": self.run.product, "process": self.run.process, "logic": self.logic,
            "revision": self.run.revision, "principal": self.run.principal, "seq": len(self._buffer.events),
        }  # fmt: skip
        self._buffer.events.append(_encode((key if key is not None else source, body)))

    def lookup(self, port: Port[R], /, **key: Any) -> R | None:
        if set(key) != set(port.key):
            raise AuthorError(
                "lookup.key",
                f"{port.id} is looked up by {', '.join(port.key)}, not by {', '.join(key) or 'nothing'}",
                hint="Give every field of the contract's key by its name, and no other.",
            )
        model = self._lookups(port.id)
        at = self._at.get(port.id)
        if port.id not in self.looked_up:
            self.looked_up[port.id] = at if at is not None else model.position()
        found = model.get(key_text([key[name] for name in port.key]), at)
        return None if found is None else port.decoder.decode(found)

    def call(self, process: str, payload: Any = None, *, key: str | None = None) -> Any:
        answer = self._door.ask("call", [process, msgspec.json.encode(payload), key or f"{self.logic}:{self._next()}"])
        if answer["error"] is not None:
            error = answer["error"]
            raise CallerError(error["code"], error["message"], hint=error.get("hint"), details=error.get("details"))
        return msgspec.json.decode(answer["result"]) if answer["result"] else None

    def now(self) -> datetime:
        if self._began is None:
            self._began = datetime.fromtimestamp(self._now_us() / 1e6, UTC)
        return self._began

    def _next(self) -> int:
        self._made += 1
        return self._made

    def uuid(self) -> UUID:
        digest = hashlib.blake2b(f"{self.run.id}:{self.logic}:{self._next()}".encode(), digest_size=16).digest()
        value = int.from_bytes(digest, "big") & ((1 << 80) - 1)
        ms = int(self.run.id[:8] + self.run.id[9:13], 16)
        return UUID(int=(ms << 80) | (value & ~(0xF << 76) & ~(0b11 << 62)) | (7 << 76) | (0b10 << 62))


def key_text(values: list[Any]) -> str:
    """A record's key as the log has it: a single text as it stands, else the values as JSON."""
    if len(values) == 1 and type(values[0]) is str:
        return values[0]
    return msgspec.json.encode(tuple(values)).decode()
