"""The context that author code sees, in a worker or in the author's own process."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import msgspec

from hansa.errors import AuthorError, CallerError
from hansa.runtime.buffer import Buffer
from hansa.runtime.publishing import Publisher
from hansa.runtime.rights import EVENT_NAME_CHARS_MAX, STATE_KEY_CHARS_MAX
from hansa.runtime.stops import Place
from hansa.sdk.context import Context, Output, RunInfo, State, TriggerInfo
from hansa.sdk.encode import key_text
from hansa.sdk.ports import OutputPort, Port, Record

R = TypeVar("R", bound=Record)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Door(Protocol):
    """The way to the server: `ask("state", …)` waits for the answer and raises what it refuses. `place` is that of the
    logic at work."""

    place: Place

    def ask(self, what: str, arguments: Any) -> Any: ...


class Lookup(Protocol):
    """The read model of one lookup port, as of one position for the whole run."""

    def get(self, key: str, at: int | None = None) -> bytes | None: ...

    def position(self) -> int: ...


class RunState(State):
    """State of a process: asked for once a key, changed in the buffer, refused at the commit if another run was
    faster."""

    def __init__(self, buffer: Buffer, door: Door) -> None:
        self._buffer = buffer
        self._door = door

    def apart(self, buffer: Buffer) -> RunState:
        """That of a branch with a buffer of its own."""
        return RunState(buffer, self._door)

    def _standing(self, key: str) -> bytes | None:
        known = self._buffer.known
        if key not in known:
            known[key] = self._door.ask("state", ["get", key])
        return known[key]

    def get(self, key: str, default: Any = None) -> Any:
        changed = self._buffer.state.get(key)
        value = self._standing(key) if changed is None else changed[0]
        return default if value is None else _decode(value)

    def put(self, key: str, value: Any) -> None:
        self._change(key, _encode(value))

    def remove(self, key: str) -> None:
        self._change(key, None)

    def _change(self, key: str, value: bytes | None) -> None:
        if not isinstance(key, str) or len(key) > STATE_KEY_CHARS_MAX:
            raise AuthorError(
                "state.key",
                f"{str(key)[:100]!r} cannot be a key of state",
                hint=f"A key is a text of at most {STATE_KEY_CHARS_MAX} characters.",
            )
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
        publisher: Publisher,
        output: CappedOutput,
        lookups: Callable[[str], Lookup],
        now_us: Callable[[], int],
        at: Mapping[str, int],
        place: Place,
    ) -> None:
        self.run = run
        self.output = output
        self.secrets = Secrets(door)
        self.state: RunState = RunState(buffer, door)
        self.position = None
        self.looked_up: dict[str, int] = {}
        self._trigger = trigger
        self._buffer = buffer
        self._door = door
        self._publisher = publisher
        self._lookups = lookups
        self._now_us = now_us
        self._at = at
        self._began: datetime | None = None
        self._place = place
        self._scratch: dict[str, Any] | None = None

    def apart(self, buffer: Buffer, place: Place) -> RunContext:
        """That of a branch: the same run, with effects of its own."""
        assert self.scratch is not None  # made now, so that branches share it
        twin = copy.copy(self)
        twin._buffer, twin._place, twin.state = buffer, place, self.state.apart(buffer)
        return twin

    @property
    def trigger(self) -> TriggerInfo:  # type: ignore[override]
        return self._trigger()

    @property
    def scratch(self) -> dict[str, Any]:  # type: ignore[override]
        if self._scratch is None:
            self._scratch = {}
        return self._scratch

    def publish(self, port: OutputPort[R], records: R | Iterable[R]) -> int:
        return self._publisher.write(port, records, self._buffer)

    def emit(
        self,
        name: str,
        *,
        source: str | None = None,
        target: str | None = None,
        payload: Any = None,
        key: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= EVENT_NAME_CHARS_MAX or not isinstance(key, str | None):
            raise AuthorError(
                "event.invalid",
                f"An event cannot be named {str(name)[:100]!r} with the key {str(key)[:100]!r}",
                hint=f"A name is a text of 1 to {EVENT_NAME_CHARS_MAX} characters; a key is a text.",
            )
        body = {
            "id": str(self.uuid()), "name": name, "source": source if source is not None else self.run.product,
            "target": target, "payload": payload, "time_us": self._now_us(), "run": self.run.id,
            "product": self.run.product, "process": self.run.process, "logic": self._place.logic,
            "revision": self.run.revision, "principal": self.run.principal, "seq": 0,
        }  # fmt: skip
        self._buffer.events.append(_encode((key if key is not None else source, body))[:-1])

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
        answer = self._door.ask(
            "call", [process, msgspec.json.encode(payload), key or f"{self._place.logic}:{self._place.next()}"]
        )
        if answer["error"] is not None:
            error = answer["error"]
            raise CallerError(error["code"], error["message"], hint=error.get("hint"), details=error.get("details"))
        return msgspec.json.decode(answer["result"]) if answer["result"] else None

    def now(self) -> datetime:
        if self._began is None:
            self._began = datetime.fromtimestamp(self._now_us() / 1e6, UTC)
        return self._began

    def uuid(self) -> UUID:
        digest = hashlib.blake2b(
            f"{self.run.id}:{self._place.logic}:{self._place.next()}".encode(), digest_size=16
        ).digest()
        value = int.from_bytes(digest, "big") & ((1 << 80) - 1)
        ms = int(self.run.id[:8] + self.run.id[9:13], 16)
        return UUID(int=(ms << 80) | (value & ~(0xF << 76) & ~(0b11 << 62)) | (7 << 76) | (0b10 << 62))
