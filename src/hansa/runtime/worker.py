"""The worker's side: one process, one product revision, one task at a time, forked from a zygote.

It says which task it is at in shared memory before it runs it, so that the server knows what a hang or a crash was
about even when answers were still being gathered.
"""

from __future__ import annotations

import collections
import contextlib
import io
import logging
import mmap
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.errors import AuthorError, HansaError, PlanError
from hansa.model.product import ProductSpec
from hansa.model.run import RunError
from hansa.runtime import wire
from hansa.runtime.attempt import Serving
from hansa.runtime.composed import late
from hansa.runtime.context import CappedOutput, Lookup
from hansa.runtime.doors import connection_for
from hansa.runtime.isolation import Ahead, IsolationPolicy, apply, apply_ahead
from hansa.runtime.linux import thread_count
from hansa.runtime.rehearsal import rehearse
from hansa.runtime.stops import Place
from hansa.runtime.traces import PACKAGE
from hansa.runtime.turns import Rota
from hansa.sdk.load import load_product
from hansa.sdk.plan import compile_product
from hansa.views.lookup import LookupReader

IMPORT_S: Final = 50.0
"""So long may product.py be imported: less than the server waits, so that the author is told at which line it is."""
_GATHER_NS: Final = 500_000
_CHUNKS_AHEAD: Final = 2

OpenLookup = Callable[[Path], Any]


class Channel:
    """The socket to the server: blocking, with what is said gathered until it is time to flush."""

    def __init__(self, sock: socket.socket, ring: mmap.mmap, cells: mmap.mmap) -> None:
        self._sock = sock
        self.cells = cells
        from_server, self._out = wire.halves(ring, cells)
        self._unpacker = wire.Unpacker(from_server)
        self._gathered: list[bytes] = []
        self._gathered_since = 0
        self.tasks: collections.deque[wire.Task | wire.Load | wire.Rehearse] = collections.deque()
        self.answers: dict[int, wire.Answer] = {}
        self.chunk_answers: collections.deque[wire.Answer] = collections.deque()

    def say(self, message: wire.ToServer) -> None:
        """Queues a message; it is sent at the latest when the next task has taken half a millisecond."""
        now = time.monotonic_ns()
        if not self._gathered:
            self._gathered_since = now
        self._gathered.append(wire.pack(message, self._out))
        if not self.tasks or now - self._gathered_since > _GATHER_NS:
            self.flush()

    def flush(self) -> None:
        """Sends what was queued."""
        if self._gathered:
            data, self._gathered = b"".join(self._gathered), []
            self._sock.sendall(data)

    def hear(self, timeout_s: float | None = None) -> None:
        """Waits for the server, at most `timeout_s`, and sorts what it says. Raises `EOFError` when it has gone."""
        self.flush()
        if timeout_s is not None and not select.select([self._sock], [], [], timeout_s)[0]:
            return
        data = self._sock.recv(1 << 18)
        if not data:
            raise EOFError
        for frame in self._unpacker.feed(data):
            message = wire.decode_to_worker(frame)
            if isinstance(message, wire.Answer):
                if message.number < 0:
                    self.chunk_answers.append(message)
                else:
                    self.answers[message.number] = message
            else:
                self.tasks.append(message)

    def next_task(self) -> wire.Task | wire.Load | wire.Rehearse:
        while not self.tasks:
            self.hear()
        return self.tasks.popleft()


class ServerDoor:
    """Asks the server on behalf of the task at work. While one branch waits for its answer, another has its turn."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._number = 0
        self.seq = 0
        self.turns = Rota(channel.hear)

    @property
    def place(self) -> Place:
        """That of the logic whose turn it is."""
        return self.turns.place

    @place.setter
    def place(self, place: Place) -> None:
        self.turns.place = place

    def ask(self, what: str, arguments: Any) -> Any:
        """The server's answer; raises the error that it refuses with, `branch.late` where it came too late."""
        return self._answer(what, arguments, self.place.next())

    def fill(self, port: str) -> None:
        """Has the server make a lookup. Not counted: a worker asks once, and another attempt may not ask."""
        self._answer("lookup", port, "")

    def _answer(self, what: str, arguments: Any, sequence: str) -> Any:
        self._number += 1  # never again in this worker: an answer that nobody waits for any more meets no other ask
        number, place, answers = self._number, self.place, self._channel.answers
        self._channel.say(wire.Ask(self.seq, number, what, arguments, place.logic, sequence))
        if not self.turns.until(lambda: number in answers):
            raise late(place.logic)
        answer = answers.pop(number)
        if answer.error is not None:
            error = answer.error
            raise HansaError(error.code, error.message, hint=error.hint, details=error.details)
        return msgspec.msgpack.decode(answer.value)


class _Printed(io.TextIOBase):
    """What author code prints, as output of its run."""

    def __init__(self, output: CappedOutput) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._output.add(text)
        return len(text)


class _Logged(logging.Handler):
    def __init__(self, output: CappedOutput) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.write(record.levelname.lower(), record.getMessage())


def _gather_into(output: CappedOutput) -> None:
    """What the process prints and logs from now on is output."""
    sys.stdout = sys.stderr = _Printed(output)
    logging.basicConfig(handlers=[_Logged(output)], level=logging.INFO, force=True)


class Lookups:
    """The read models of the lookup ports, each opened at first use and read at one position for a whole task. `fill`
    has the server make one where there is none yet."""

    def __init__(self, paths: dict[str, str], open_lookup: OpenLookup, fill: Callable[[str], object]) -> None:
        self._paths = paths
        self._open = open_lookup
        self._fill = fill
        self._known: dict[str, Any] = {}
        self._begun: set[str] = set()

    def __call__(self, port: str) -> Lookup:
        model = self._known.get(port)
        if model is None:
            if port not in self._paths:
                raise AuthorError(
                    "lookup.unknown",
                    f"{port} is not among the inputs of this product",
                    hint="Name it in product.yaml under inputPorts, run `hansa sync`, and deploy again.",
                )
            self._fill(port)  # another branch may have its turn meanwhile, and the same wish
            if port not in self._known:
                self._known[port] = self._open(Path(self._paths[port]))
            model = self._known[port]
        if port not in self._begun:
            model.begin()
            self._begun.add(port)
        return model  # type: ignore[no-any-return]

    def end(self) -> None:
        """The task is over: the next one reads anew."""
        for port in self._begun:
            self._known[port].end()
        self._begun.clear()


def main(sock_fd: int, ring_fd: int, cells_fd: int) -> None:
    """What the zygote runs in a worker."""
    serve(sock_fd, ring_fd, cells_fd, LookupReader)


def serve(sock_fd: int, ring_fd: int, cells_fd: int, open_lookup: OpenLookup) -> None:
    """Waits for the product to serve, loads it, and works tasks until the server goes."""
    sock = socket.socket(fileno=sock_fd)
    channel = Channel(sock, mmap.mmap(ring_fd, 0), mmap.mmap(cells_fd, 0))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        load = channel.next_task()
        ahead: Ahead | None = None
        if isinstance(load, wire.Rehearse):
            ahead = _rehearsed(load.isolation)
            load = channel.next_task()
        assert isinstance(load, wire.Load)
        serving = _load(channel, load, open_lookup, ahead)
        if serving is not None:
            _work(channel, *serving)


def _rehearsed(isolation: str) -> Ahead | None:
    """Gets ready for whatever product comes; what of its isolation is behind it then."""
    rehearse()
    if thread_count() > 1:
        raise SystemExit("the rehearsal left threads behind")  # the next worker is forked when it is needed
    return None if isolation == "none" else apply_ahead()


def _load(
    channel: Channel, load: wire.Load, open_lookup: OpenLookup, ahead: Ahead | None
) -> tuple[Serving, ServerDoor, Lookups] | None:
    declared = msgspec.msgpack.decode(load.declared, type=ProductSpec)
    output = CappedOutput(declared.limits.output_max_bytes)
    _gather_into(output)
    door = ServerDoor(channel)
    lookups = Lookups(load.lookups, open_lookup, door.fill)
    try:
        guarantees = _isolate(load, declared, ahead)
        package = PACKAGE + load.product.replace(".", "_") + "_" + load.revision
        product = load_product(Path(load.folder), package, within_s=IMPORT_S)
        spec, findings = compile_product(product, declared)
    except PlanError as refusal:
        channel.say(wire.Loaded(b"", refusal.details["findings"], {}))
        return None
    except HansaError as refusal:
        channel.say(wire.Loaded(b"", [refusal.as_dict()], {}))
        return None
    if findings:
        channel.say(wire.Loaded(b"", [msgspec.to_builtins(finding) for finding in findings], guarantees))
        return None
    serving = Serving(
        product, load.product, load.revision, door=door, lookup=lookups,
        connection=connection_for(door, product), output=output, outputs=declared.outputs, turns=door.turns,
    )  # fmt: skip
    output.taken()
    channel.say(wire.Loaded(msgspec.msgpack.encode(spec), [], guarantees))
    return serving, door, lookups


def _isolate(load: wire.Load, declared: ProductSpec, ahead: Ahead | None) -> dict[str, str]:
    """Locks the process down before any author code; what is in force by name."""
    if load.isolation == "none":
        return {"isolation": "none"}
    os.makedirs(load.scratch, exist_ok=True)
    os.environ["TMPDIR"] = load.scratch
    limits = declared.limits
    read = [load.folder, *(str(Path(path).parent) for path in load.lookups.values())]
    policy = IsolationPolicy(
        read_paths=tuple(read),
        write_paths=(load.scratch,),
        memory_max_bytes=limits.memory_max_bytes,
        file_max_bytes=limits.file_max_bytes,
        open_files_max=limits.open_files_max,
        required=load.isolation == "strict",
    )
    report = apply(policy, ahead)
    return {name: str(state) for name, state in report.as_dict().items()}


def _work(channel: Channel, serving: Serving, door: ServerDoor, lookups: Lookups) -> None:
    while True:
        task = channel.next_task()
        assert isinstance(task, wire.Task)
        door.seq = task.seq
        channel.chunk_answers.clear()
        channel.answers.clear()
        wire.mark(channel.cells, task.seq, time.monotonic_ns())
        _task(channel, serving, task, lookups)
        lookups.end()
        wire.unmark(channel.cells)


def _task(channel: Channel, serving: Serving, task: wire.Task, lookups: Lookups) -> None:
    """One task, to the last thing that is said of it. It has succeeded only when each of its chunks is committed."""
    chunks = 0
    for made in serving.work(task, on_step=channel.say):
        done = made
        if done.chunk is not None:
            done = _said(channel, done)
            if done.chunk is None:
                _refusal(channel, chunks, ahead=0)
                return
            chunks += 1
            lookups.end()
            wire.mark(channel.cells, task.seq, time.monotonic_ns())
        is_end = done.chunk is None
        refusal = _refusal(channel, chunks, ahead=0 if is_end else _CHUNKS_AHEAD) if chunks else None
        if refusal is not None:
            _refusal(channel, chunks, ahead=0)  # nothing is still to come that the next task would take for its own
            channel.say(_refused(done, refusal))
            return
        if is_end:
            _said(channel, done)


def _said(channel: Channel, done: wire.Done) -> wire.Done:
    """What was said in the end: an answer that is too large to be carried is a failure."""
    try:
        channel.say(done)
    except AuthorError as refusal:
        done = _refused(done, RunError(refusal.code, refusal.message, hint=refusal.hint))
        channel.say(done)
    return done


def _refusal(channel: Channel, chunks: int, *, ahead: int) -> RunError | None:
    """Waits until at most `ahead` chunks are not committed yet; why one was refused, if one was."""
    channel.flush()
    while len(channel.chunk_answers) < chunks - ahead:
        channel.hear()
    return next((answer.error for answer in channel.chunk_answers if answer.error is not None), None)


def _refused(done: wire.Done, refusal: RunError) -> wire.Done:
    """The end of a load of which a chunk was refused."""
    return msgspec.structs.replace(
        done, state="failed", status=500, result=b"", headers=None, error=refusal, output="", effects=[], puts=[],
        refused=[], chunk=None, position=None,
    )  # fmt: skip
