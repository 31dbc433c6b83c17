"""The channel between nodes, over real sockets: a peer that stands still holds nobody up, a stranger is sent away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

import pytest

from hansa.eventlog import channel
from hansa.eventlog.channel import COMMIT, Desk, Line
from hansa.eventlog.interface import Append, CommitSet, Committed, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.owner import FrameReplies, Lost, Owner
from hansa.eventlog.ownership import Address

LARGE = CommitSet((Append("t", 0, 1, encode_entry(None, "x" * (64 << 20)), {}),))
SMALL = CommitSet((Append("t", 0, 1, encode_entry(None, "x"), {}),))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "STALLED_S", 1)


@pytest.fixture
def desk() -> Iterator[Desk]:
    log = MemoryLog(replies=FrameReplies())
    log.declare("t", TopicConfig())
    owner = Owner(log)
    with closing(Desk("127.0.0.1", 0, b"key", lambda: owner)) as desk:
        yield desk


def test_a_frame_is_decided_over_the_channel(desk: Desk) -> None:
    with closing(Line(Address("127.0.0.1", desk.port), b"key")) as line:
        _, outcomes = line.ask("n", 1, COMMIT, [SMALL, SMALL], lambda _: True)
        assert [outcome.bases for outcome in outcomes if isinstance(outcome, Committed)] == [(0,), (1,)]
        assert line.ask("n", 1, COMMIT, [SMALL, SMALL], lambda _: True)[1] == outcomes


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_does_not_know_the_key_is_sent_away(desk: Desk) -> None:
    with pytest.raises(Lost) as lost:
        Line(Address("127.0.0.1", desk.port), b"another key")
    assert not lost.value.sent


def test_a_peer_that_says_nothing_is_given_up() -> None:
    """As one that is stopped: its machine still takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(Lost) as lost:
            Line(Address("127.0.0.1", silent.getsockname()[1]), b"key")
        assert time.monotonic() - begun < 5
        assert not lost.value.sent


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """It stood still after it was connected to."""
    over = threading.Event()

    def stand_still(listening: socket.socket) -> None:
        with Connection(listening.accept()[0].detach()) as connection:
            deliver_challenge(connection, b"key")
            answer_challenge(connection, b"key")
            over.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=stand_still, args=(listening,), daemon=True).start()
        with closing(Line(Address("127.0.0.1", listening.getsockname()[1]), b"key")) as line:
            begun = time.monotonic()
            with pytest.raises(Lost) as lost:
                line.ask("n", 1, COMMIT, [LARGE], lambda _: True)
            assert time.monotonic() - begun < 10
            assert lost.value.sent
    over.set()


def test_a_peer_that_is_not_the_owner_any_more_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(desk, "_answer", lambda *_: over.wait(20) and b"")
    with closing(Line(Address("127.0.0.1", desk.port), b"key")) as line:
        begun = time.monotonic()
        with pytest.raises(Lost) as lost:
            line.ask("n", 1, COMMIT, [SMALL], lambda _: time.monotonic() - begun < 1)
        assert time.monotonic() - begun < 5
        assert lost.value.sent
    over.set()
