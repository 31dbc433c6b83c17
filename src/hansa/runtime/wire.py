"""What the server and a worker say to each other: msgpack frames over a unix socket, large ones through shared memory.

A frame is a 4-byte little-endian length and msgpack. A frame of 64 KiB or more is copied into the sender's half of a
shared ring, and a frame of length 0 with its place stands in the socket instead; the receiver says in a shared cell how
far it has read. Where the ring is full, the socket carries the frame.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from hansa.errors import AuthorError
from hansa.model.run import CheckResult, LogicRun, RunError

RING_FROM_BYTES: Final = 64 * 1024
FRAME_MAX_BYTES: Final = 256 << 20
"""Nothing larger is said in one frame, in either direction."""
_LENGTH: Final = struct.Struct("<I")
_PLACE: Final = struct.Struct("<IQQQ")

QUARANTINE: Final = "quarantine"
"""The kind of a `Source` whose records are published as they are: no logic works them, their contract is checked."""

CELL_TASK: Final = 0
"""The sequence number of the task that the worker is at; 0 is none."""
CELL_SINCE: Final = 1
"""When it began (monotonic ns)."""
CELL_TO_WORKER: Final = 2
CELL_TO_SERVER: Final = 3


class Source(msgspec.Struct, array_like=True, frozen=True):
    """What a trigger delivered, as the run's history keeps it. For a port trigger the body is empty: the log has it."""

    kind: str
    body: bytes = b""
    content_type: str = ""
    path: dict[str, str] = {}
    query: dict[str, str | list[str]] = {}
    headers: list[tuple[bytes, bytes]] = []
    method: str = ""
    url: str = ""
    detail: Mapping[str, Any] = {}


class Records(msgspec.Struct, array_like=True, frozen=True):
    """Consecutive entries of one partition, as the log keeps them."""

    topic: str
    partition: int
    base: int
    count: int
    time_us: int
    entries: bytes
    header: dict[str, Any] = {}


class Task(msgspec.Struct, array_like=True, frozen=True, tag="task"):
    """One attempt of a run. `source` is an encoded `Source`; `records` what a port or event trigger read."""

    seq: int
    process: str
    run: str
    attempt: int
    principal: str
    source: bytes
    records: Sequence[Records] = []
    steps: Mapping[int, bytes] = {}
    """What an earlier attempt has journalled of its logic, by index: each a `Step`."""
    position: bytes | None = None
    """Position of the last chunk that an earlier attempt has committed."""
    at: Mapping[str, int] = {}
    """Positions at which lookups are to be answered (a replay sees what the run saw)."""
    only: str | None = None
    """The one logic to run, where a developer runs it alone."""
    replay_of: str | None = None


class Effect(msgspec.Struct, array_like=True, frozen=True):
    """Entries for one partition of a port, or for the events topic. `subject` names the person they speak of.

    Without `entries` it keeps the places of `count` records that another version of the port has and this one has
    not."""

    topic: str
    partition: int
    count: int
    entries: bytes
    subject: str | None = None


class StatePut(msgspec.Struct, array_like=True, frozen=True):
    """A change of state; refused where the key does not stand at `expected` any more."""

    key: str
    value: bytes | None
    expected: bytes | None


class Unique(msgspec.Struct, array_like=True, frozen=True):
    """A value that is taken by what the run publishes to a port; refused where another has taken it. `owner` is whose
    it is: records of one key may take it again."""

    port: str
    rule: str
    digest: str
    owner: str


class Done(msgspec.Struct, array_like=True, frozen=True, tag="done"):
    """How an attempt ended, and what it wants to commit. With `chunk` set, one chunk of it; the attempt goes on."""

    seq: int
    state: str
    status: int
    result: bytes
    content_type: str
    duration_us: int
    logic: list[LogicRun]
    headers: dict[str, str] | None = None
    error: RunError | None = None
    output: str = ""
    effects: list[Effect] = []
    puts: list[StatePut] = []
    lookups: list[tuple[str, int]] = []
    """(port, position behind the last record that could be seen) of what was looked up."""
    refused: list[tuple[int, bytes, RunError]] = []
    """Records that failed alone: index in the batch, the entry, and why."""
    dropped: int = 0
    chunk: int | None = None
    position: bytes | None = None
    retry: bool = True
    """False where another attempt cannot help: the author said so with a Problem."""
    taken: list[Unique] = []
    checks: list[CheckResult] = []
    began_us: int = 0
    """When the worker began with it, by its own clock."""


class Step(msgspec.Struct, array_like=True, frozen=True):
    """What is journalled of a logic: its result, and what it published, emitted and changed. `read` is the state that
    the run knew by then, as it stood: a run that goes on from here is refused at its commit where that has moved."""

    result: bytes
    effects: list[Effect] = []
    events: list[bytes] = []
    changed: dict[str, tuple[bytes | None, bytes | None]] = {}
    read: dict[str, bytes | None] = {}
    taken: list[Unique] = []


class StepDone(msgspec.Struct, array_like=True, frozen=True, tag="step"):
    """A logic is done; `result` is its `Step`, to be journalled."""

    seq: int
    index: int
    result: bytes


class Ask(msgspec.Struct, array_like=True, frozen=True, tag="ask"):
    """The worker asks the server while it runs a task: `state`, `call`, `connection`, `secret`, `lookup`.
    Answered by `Answer`."""

    seq: int
    number: int
    what: str
    arguments: Any
    logic: str = ""
    sequence: str = ""
    """Which ask of that logic it is: the same in each attempt. `number` tells which answer is whose."""


class Answer(msgspec.Struct, array_like=True, frozen=True, tag="answer"):
    """`value` is msgpack; `error` says why there is none."""

    number: int
    value: bytes
    error: RunError | None = None


class Load(msgspec.Struct, array_like=True, frozen=True, tag="load"):
    """Which revision the worker serves from now on. `declared` is the msgpack of the ProductSpec read from its
    files."""

    product: str
    revision: str
    folder: str
    declared: bytes
    isolation: str
    scratch: str
    lookups: dict[str, str]
    """Lookup port to the path of its read model."""


class Rehearse(msgspec.Struct, array_like=True, frozen=True, tag="rehearse"):
    """To a worker that waits for a revision: get ready, so that the first one is served sooner. Not answered."""

    isolation: str


class Loaded(msgspec.Struct, array_like=True, frozen=True, tag="loaded"):
    """The described product (msgpack of ProductSpec), or findings; and what isolation is in force."""

    spec: bytes
    findings: list[dict[str, Any]]
    isolation: dict[str, str]
    seq: ClassVar[int] = 0
    """That of no task: said a second time, it is about nothing."""


class Malformed(ValueError):
    """What came is no frame: the other side does not speak this protocol."""


ToWorker = Rehearse | Load | Task | Answer
ToServer = Loaded | Done | StepDone | Ask

encode: Final = msgspec.msgpack.Encoder().encode
decode_to_worker: Final = msgspec.msgpack.Decoder(ToWorker).decode
_decode_to_server: Final = msgspec.msgpack.Decoder(ToServer).decode


def decode_to_server(frame: bytes) -> ToServer:
    """What a worker said. Raises `Malformed`: author code may have written the frame."""
    try:
        message: ToServer = _decode_to_server(frame)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError) as fault:
        raise Malformed(str(fault)) from fault
    return message


class Half:
    """One direction of the shared ring; both ends hold one over the same memory."""

    def __init__(self, ring: mmap.mmap, start: int, size: int, cells: mmap.mmap, cell: int) -> None:
        self._ring = ring
        self._start = start
        self._size = size
        self._cells = cells
        self._cell = cell
        self._head = 0

    def put(self, frame: bytes) -> bytes | None:
        """Copies a frame in and returns what to send in its stead, or None where there is no room now."""
        size = len(frame)
        begin = self._head
        if begin % self._size + size > self._size:
            begin += self._size - begin % self._size
        read = _numbers(self._cells)[self._cell]
        if begin + size - read > self._size:
            return None
        at = self._start + begin % self._size
        self._ring[at : at + size] = frame
        self._head = begin + size
        return _PLACE.pack(0, begin, size, self._head)

    def take(self, begin: int, size: int, end: int) -> bytes:
        """Copies a frame out and gives its room back. Raises `Malformed` for a place that is not of this half."""
        if not begin < end < 1 << 62 or end - begin != size or begin % self._size + size > self._size:
            raise Malformed(f"no frame stands at {begin} to {end}")
        at = self._start + begin % self._size
        frame = self._ring[at : at + size]
        _numbers(self._cells)[self._cell] = end
        return frame


def halves(ring: mmap.mmap, cells: mmap.mmap) -> tuple[Half, Half]:
    """(server to worker, worker to server)."""
    size = len(ring) // 2
    return Half(ring, 0, size, cells, CELL_TO_WORKER), Half(ring, size, size, cells, CELL_TO_SERVER)


def pack(message: Any, half: Half) -> bytes:
    """A message as it goes into the socket. Raises `AuthorError` `message.too_large`."""
    frame = encode(message)
    if len(frame) >= RING_FROM_BYTES:
        if len(frame) > FRAME_MAX_BYTES:
            raise _too_large(len(frame))
        place = half.put(frame)
        if place is not None:
            return place
    return _LENGTH.pack(len(frame)) + frame


class Unpacker:
    """Turns what the socket brings into frames, in order."""

    def __init__(self, half: Half) -> None:
        self._half = half
        self._parts: list[bytes] = []
        self._missing = 0
        """Bytes without which the frame that has begun is not complete; a long one is put together only once."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete with `data`. Raises `Malformed`; nothing can be read after that."""
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = b"".join(self._parts)
            self._parts = []
        frames: list[bytes] = []
        self._missing = 1
        at, end = 0, len(data)
        while end - at >= 4:
            size: int = _LENGTH.unpack_from(data, at)[0]
            if size:
                if size > FRAME_MAX_BYTES:
                    raise Malformed(f"a frame of {size} bytes")
                if end - at - 4 < size:
                    self._missing = size + 4 - (end - at)
                    break
                frames.append(data[at + 4 : at + 4 + size])
                at += 4 + size
            else:
                if end - at < _PLACE.size:
                    break
                _, begin, length, behind = _PLACE.unpack_from(data, at)
                frames.append(self._half.take(begin, length, behind))
                at += _PLACE.size
        if at < end:
            self._parts.append(data[at:])
        return frames


def _too_large(size_bytes: int) -> AuthorError:
    return AuthorError(
        "message.too_large",
        f"A run's answer or request has {size_bytes} bytes; at most {FRAME_MAX_BYTES} are carried at once",
        hint="Return an iterator of Chunk(records, position), or less in one answer.",
    )


def _numbers(cells: mmap.mmap) -> memoryview[int]:
    """The cells as numbers of eight bytes, each read and written at once. `struct` will not do: it empties the place
    before it writes, and the other side would see that."""
    return memoryview(cells).cast("q")


def mark(cells: mmap.mmap, seq: int, now_ns: int) -> None:
    """The worker says which task it begins. The time goes first: who sees the task sees its own time or a later one,
    never an earlier one, which would look like a task that hangs."""
    numbers = _numbers(cells)
    numbers[CELL_SINCE] = now_ns
    numbers[CELL_TASK] = seq


def unmark(cells: mmap.mmap) -> None:
    """The worker is at no task."""
    _numbers(cells)[CELL_TASK] = 0


def marked(cells: mmap.mmap) -> tuple[int, int]:
    """(task, monotonic ns when it began) that the worker is at; task 0 is none."""
    numbers = _numbers(cells)
    seq = numbers[CELL_TASK]
    return seq, numbers[CELL_SINCE]
