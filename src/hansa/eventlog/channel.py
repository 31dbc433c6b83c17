"""How nodes reach the owner of a log that they share: a question and its answer at a time, over TCP.

    node                                    owner
      [node, number, operation, arguments] ──►
                                         ◄──  [mark, what came of it, value]

Both sides prove that they know the key of the channel before anything else is said.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, Final, Literal

import msgspec

from hansa.errors import CallerError, HansaError, InternalError, OperatorError, Unavailable
from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Committed, Outcome, Put, Refused
from hansa.eventlog.owner import Lost, Owner
from hansa.eventlog.ownership import Address

COMMIT: Final = "commit"
ANSWER_S: Final = 45.0
"""Longer than an owner takes to know what became of a transaction."""
CONNECT_S: Final = 2.0
LOOK_S: Final = 0.25
STALLED_S: Final = 5
"""So long may a peer take nothing of what it is sent, or stop in the middle of what it says; and so long may its
machine say nothing while it is waited for."""
_ALIVE: Final = {
    "TCP_USER_TIMEOUT": STALLED_S * 1000, "TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": STALLED_S - 2,
}  # fmt: skip
"""How the kernel is told to find within `STALLED_S` that the other machine is gone, where it can be told so."""
_report = logging.getLogger("hansa.eventlog")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode
_FAMILIES: Final = {
    kind.__name__: kind for kind in (HansaError, CallerError, OperatorError, Unavailable, InternalError)
}

OwnerNow = Callable[[], Owner | None]
"""The owner, where this node is it."""


# At the owner


class Desk:
    """Listens for nodes, and answers them while this one is the owner."""

    def __init__(self, host: str, port: int, key: bytes, owner: OwnerNow) -> None:
        """Raises `OperatorError("port.taken")`."""
        self._owner = owner
        try:
            self._listener = socket.create_server((host, port), backlog=64)
        except OSError as failure:
            raise OperatorError(
                "port.taken",
                f"The channel between nodes, {host}:{port}, cannot be listened on: {failure.strerror}",
                hint="Set HANSA_CHANNEL_PORT to another.",
            ) from failure
        self.port: int = self._listener.getsockname()[1]
        self._key = key
        self._closing = False
        threading.Thread(target=self._accept, name="hansa-channel", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing:
                sock, _ = self._listener.accept()
                connection = _connection(sock, stalled=(socket.SO_SNDTIMEO,))
                threading.Thread(target=self._serve, args=(connection,), name="hansa-channel", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            with connection:
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
                while True:
                    connection.send_bytes(self._answer(*_decode(connection.recv_bytes())))
        except AuthenticationError as failure:
            _report.warning("a connection to the channel was refused: %s", failure)
        except (OSError, EOFError):
            pass  # it asks again over another one, if it still is

    def _answer(self, node: str, number: int, operation: str, arguments: list[Any]) -> bytes:
        owner = self._owner()
        if owner is None:
            return _encode((0, "lost", ("this node is not the owner", False)))
        try:
            if operation == COMMIT:
                outcomes = owner.commit(node, number, [_set(plain) for plain in arguments])
                return _encode((owner.mark(), "outcomes", [_told(outcome) for outcome in outcomes]))
            value = owner.control(operation, arguments)
            return _encode((owner.mark(), "value", value))
        except Lost as lost:
            return _encode((0, "lost", (str(lost), lost.sent)))
        except HansaError as failure:
            return _encode((owner.mark(), "error", _error(failure)))

    def close(self) -> None:
        """Ends it; nodes find the next owner."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        self._listener.close()


# At the other nodes


class Line:
    """A connection to an owner, for one question at a time."""

    def __init__(self, address: Address, key: bytes) -> None:
        """Raises `Lost`."""
        self.address = address
        try:
            sock = socket.create_connection((address.host, address.port), CONNECT_S)
            self._connection = _connection(sock, stalled=(socket.SO_SNDTIMEO, socket.SO_RCVTIMEO))
            answer_challenge(self._connection, key)
            deliver_challenge(self._connection, key)
        except (OSError, EOFError, AuthenticationError) as failure:
            raise Lost(failure, sent=False) from failure

    def ask(
        self, node: str, number: int, operation: str, arguments: Sequence[Any], is_owner: Callable[[Address], bool]
    ) -> tuple[int, Any]:
        """The mark that the owner stood at behind its answer, and the answer. Waits as long as `is_owner` says so of
        the address, for at most `ANSWER_S`. Raises `Lost`, or the owner's error."""
        try:
            self._connection.send_bytes(_encode((node, number, operation, arguments)))
            end_s = time.monotonic() + ANSWER_S
            while not self._connection.poll(LOOK_S):
                if time.monotonic() > end_s or not is_owner(self.address):
                    raise Lost(f"{self.address.host}:{self.address.port} does not answer", sent=True)
            mark, kind, value = _decode(self._connection.recv_bytes())
        except (OSError, EOFError) as failure:
            raise Lost(failure, sent=True) from failure
        return mark, _ANSWERS[kind](value)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


def _connection(sock: socket.socket, stalled: Sequence[int]) -> Connection:
    """Frames over a socket, which sends small pieces as they come. `stalled` are the sides of it that are an `OSError`
    when nothing moves for `STALLED_S`: a peer that stands still must not hold up who would ask another one. One whose
    machine is gone, or cannot be reached any more, is an `OSError` as well."""
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    for side in stalled:
        sock.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", STALLED_S, 0))
    return Connection(sock.detach())


def _lost(value: list[Any]) -> Any:
    raise Lost(value[0], sent=value[1])


def _failed(value: list[Any]) -> Any:
    raise _restored(value)


_ANSWERS: Final[dict[str, Callable[[Any], Any]]] = {
    "lost": _lost,
    "error": _failed,
    "value": lambda value: value,
    "outcomes": lambda value: [_outcome(*told) for told in value],
}


# What goes over it


def _set(plain: dict[str, Any]) -> CommitSet:
    """A commit set as it was encoded."""
    fence = plain["fence"]
    return CommitSet(
        tuple(Append(**append) for append in plain["appends"]),
        tuple(Advance(**advance) for advance in plain["advances"]),
        tuple(Put(**put) for put in plain["puts"]),
        tuple(Claim(**claim) for claim in plain["claims"]),
        None if fence is None else tuple(fence),
        tuple(plain["forgets"]),
    )


Kind = Literal["committed", "refused", "failed"]


def _told(outcome: Outcome) -> tuple[Kind, Any]:
    if isinstance(outcome, Committed):
        return "committed", outcome
    if isinstance(outcome, Refused):
        return "refused", outcome
    return "failed", _error(outcome)


def _outcome(kind: Kind, value: list[Any]) -> Outcome:
    if kind == "committed":
        return Committed(tuple(value[0]), value[1])
    return Refused(*value) if kind == "refused" else _restored(value)


def _error(failure: Exception) -> tuple[str, str, str, str | None]:
    if isinstance(failure, HansaError):
        family = next(name for name in (kind.__name__ for kind in type(failure).__mro__) if name in _FAMILIES)
        return family, failure.code, failure.message, failure.hint
    return "InternalError", "hansa.internal", f"{type(failure).__name__}: {failure}", None


def _restored(value: list[Any]) -> HansaError:
    family, code, message, hint = value
    return _FAMILIES[family](code, message, hint=hint)
