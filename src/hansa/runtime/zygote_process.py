"""The zygote: a process with libraries imported that forks workers in milliseconds. Started by `hansa.runtime.zygote`.

What a product requires is imported behind `isolation.enclose`: never with the rights of the server. It has one thread,
knows nothing of products, and dies with the server; its workers die with it. Frames travel over a SOCK_SEQPACKET pair
(one message, one frame, msgpack), descriptors beside them by SCM_RIGHTS. Replies keep the order of what happened: a
worker's `Forked` always precedes its `Exited`.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import selectors
import site
import socket
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec

from hansa.runtime import linux

FRAME_BYTES_MAX: Final = 128 << 10
DESCRIPTORS_MAX: Final = 8
_REASON_CHARS_MAX: Final = 500

WorkerMain = Callable[[int, int, int], object]
"""What a worker runs, given the descriptors of its socket, ring and cells."""


class Enclosure(msgspec.Struct, frozen=True):
    """What an enclosed zygote and its workers may touch; see `isolation.enclose`."""

    room: str
    read: tuple[str, ...]
    required: bool


class Configure(msgspec.Struct, tag=True, frozen=True):
    """The first frame from the server: what to import, what a worker runs, whose death ends it all. `rehearsal` is
    called once everything is imported, so that workers find ready what it made."""

    server_pid: int
    path: tuple[str, ...]
    own: tuple[str, ...]
    preload: tuple[str, ...]
    worker_main: str
    enclosure: Enclosure | None = None
    rehearsal: str = ""


class Enclosed(msgspec.Struct, tag=True, frozen=True):
    """The zygote is enclosed and imports from now on; descriptor: the listener at which it asks, where there is one."""

    steps: dict[str, str]


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The answer to `Configure`. `threaded` names the modules whose import started a thread."""

    loaded: tuple[str, ...]
    failed: dict[str, str]
    threaded: tuple[str, ...]
    threads: int

    def followed_by(self, other: Ready) -> Ready:
        """Both together; `other` was imported later."""
        return Ready(
            self.loaded + other.loaded, self.failed | other.failed, self.threaded + other.threaded, other.threads
        )


class Fork(msgspec.Struct, tag=True, frozen=True):
    """Asks for a worker; descriptors: socket, ring, cells, output."""

    ticket: int


class Forked(msgspec.Struct, tag=True, frozen=True):
    """The answer to a `Fork`; descriptor: the worker's pidfd."""

    ticket: int
    pid: int


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The other answer to a `Fork`: the system would not."""

    ticket: int
    reason: str


class Exited(msgspec.Struct, tag=True, frozen=True):
    """A worker ended: its exit status, or minus the signal that ended it."""

    pid: int
    status: int


def extended_path(current: Iterable[str], extra: Iterable[str], site_folders: Iterable[str]) -> list[str]:
    """The module path with `extra` before the first of the site folders: behind the standard library, which nothing
    may shadow, before what is installed beside Hansa, which a product's own requirements replace."""
    path, folders = list(current), set(site_folders)
    at = next((index for index, entry in enumerate(path) if entry in folders), len(path))
    return [*path[:at], *extra, *path[at:]]


def preload(modules: Iterable[str]) -> Ready:
    """Imports each module; one that fails is reported, never fatal."""
    loaded: list[str] = []
    failed: dict[str, str] = {}
    threaded: list[str] = []
    for name in modules:
        before = linux.thread_count()
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as failure:
            failed[name] = f"{type(failure).__name__}: {failure}"[:_REASON_CHARS_MAX]
        else:
            loaded.append(name)
        _end_known_threads()
        if linux.thread_count() > before:
            threaded.append(name)
    return Ready(tuple(loaded), failed, tuple(threaded), linux.thread_count())


def _end_known_threads() -> None:
    """DuckDB starts a scheduler thread when it is imported, for its default connection, and ends it when told to."""
    duckdb: Any = sys.modules.get("duckdb")
    if duckdb is not None and linux.thread_count() > 1:
        duckdb.execute("SET threads = 1")


def main() -> None:
    """`python -m hansa.runtime.zygote_process DESCRIPTOR NAME`: runs until the server closes the control."""
    control = socket.socket(fileno=int(sys.argv[1]))
    linux.name_process(f"zygote-{sys.argv[2]}")
    sys.argv[1:] = []
    decode = msgspec.msgpack.Decoder(Configure).decode
    settings = decode(control.recv(FRAME_BYTES_MAX))
    linux.die_with_parent(settings.server_pid)
    site_folders = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    gc.disable()  # a collection before the freeze would leave holes in pages that forks share
    own = preload(settings.own)
    sys.path[:] = extended_path(sys.path, settings.path, site_folders)
    if settings.enclosure is not None:
        _enclose(control, settings.enclosure)
    worker_main = _resolve(settings.worker_main)
    ready = own.followed_by(preload(settings.preload))
    if settings.rehearsal:
        _resolve(settings.rehearsal)()
        ready = msgspec.structs.replace(ready, threads=linux.thread_count())
    gc.freeze()
    control.send(msgspec.msgpack.encode(ready))
    ForkServer(control, worker_main).serve()


def _enclose(control: socket.socket, enclosure: Enclosure) -> None:
    from hansa.runtime import isolation

    report, listener = isolation.enclose(enclosure.read, enclosure.room, required=enclosure.required)
    listeners = [] if listener is None else [listener]
    socket.send_fds(control, [msgspec.msgpack.encode(Enclosed(report.as_dict()))], listeners)
    for descriptor in listeners:
        os.close(descriptor)


def _resolve(reference: str) -> Callable[..., object]:
    module, _, name = reference.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found


class ForkServer:
    """Forks a worker per `Fork` frame and tells the end of each."""

    def __init__(self, control: socket.socket, worker_main: WorkerMain) -> None:
        self._control = control
        self._worker_main = worker_main
        self._decode = msgspec.msgpack.Decoder(Fork).decode
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Returns when the server has closed its end."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd, key.data)
                elif not self._take():
                    return

    def _take(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(
            self._control, FRAME_BYTES_MAX, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        self._fork(self._decode(data).ticket, descriptors)
        return True

    def _fork(self, ticket: int, descriptors: list[int]) -> None:
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as failure:
            self._send(Refused(ticket, str(failure)))
        else:
            if pid == 0:
                _work(zygote, self._worker_main, descriptors)
            watch = os.pidfd_open(pid)
            self._selector.register(watch, selectors.EVENT_READ, pid)
            self._send(Forked(ticket, pid), watch)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _reap(self, watch: int, pid: int) -> None:
        self._selector.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(pid, 0)
        self._send(Exited(pid, os.waitstatus_to_exitcode(status)))

    def _send(self, frame: Forked | Refused | Exited, *descriptors: int) -> None:
        socket.send_fds(self._control, [msgspec.msgpack.encode(frame)], descriptors)


def _work(zygote: int, worker_main: WorkerMain, descriptors: list[int]) -> NoReturn:
    """The child's whole life. It never returns into the zygote's frames, and runs no exit handler of the zygote."""
    status = 1
    try:
        linux.die_with_parent(zygote)
        linux.name_process("hansa-worker")
        connection, ring, cells, output = descriptors
        _wire(output, {connection, ring, cells})
        _make_unlike_siblings()
        gc.enable()
        worker_main(connection, ring, cells)
        status = 0
    except SystemExit as end:
        status = _exit_status(end.code)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)


def _wire(output: int, kept: set[int]) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    linux.close_all_but({0, 1, 2} | kept)
    faulthandler.enable(2)


def _make_unlike_siblings() -> None:
    """Seeds what copies its random state over a fork; the standard library's `random` sees to itself."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(int.from_bytes(os.urandom(4), "little"))  # a seed of its own finding touches more memory


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - what the interpreter does with such a code
    return 1


def _leave(status: int) -> NoReturn:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
