"""Frames: whole in order however the socket cuts them, large ones through the ring, and the socket where it is full."""

from __future__ import annotations

import mmap
import struct
from typing import Any

import pytest

from hansa.errors import AuthorError
from hansa.runtime import wire

SIZE = 4 * wire.RING_FROM_BYTES
"""Of the whole ring; each direction has half."""


def ring() -> tuple[tuple[wire.Half, wire.Half], tuple[wire.Half, wire.Half]]:
    """Both directions as the server holds them, and as the worker does."""
    memory, cells = mmap.mmap(-1, SIZE), mmap.mmap(-1, 4096)
    return wire.halves(memory, cells), wire.halves(memory, cells)


def step(result: bytes, seq: int = 1) -> wire.StepDone:
    return wire.StepDone(seq, 0, result)


def received(half: wire.Half, data: bytes) -> list[Any]:
    return [wire.decode_to_server(frame) for frame in wire.Unpacker(half).feed(data)]


def test_messages_come_out_as_they_went_in_and_in_order() -> None:
    (_, server), (_, worker) = ring()
    sent = [step(b"a", 1), wire.Ask(2, 1, "state", ["get", "k"], "logic"), step(b"c", 3)]
    assert received(server, b"".join(wire.pack(message, worker) for message in sent)) == sent


def test_frames_are_put_together_from_single_bytes() -> None:
    (_, server), (_, worker) = ring()
    sent = [step(b"a" * 300, 1), step(b"b" * wire.RING_FROM_BYTES, 2), step(b"c", 3)]
    unpacker = wire.Unpacker(server)
    frames: list[bytes] = []
    for byte in b"".join(wire.pack(message, worker) for message in sent):
        frames += unpacker.feed(bytes([byte]))
    assert [wire.decode_to_server(frame) for frame in frames] == sent


@pytest.mark.parametrize(("missing", "through_ring"), [(1, False), (0, True)])
def test_only_large_frames_go_through_the_ring(missing: int, through_ring: bool) -> None:
    (_, server), (_, worker) = ring()
    overhead = len(wire.encode(step(b"x" * 1000))) - 1000
    message = step(b"x" * (wire.RING_FROM_BYTES - overhead - missing))
    packed = wire.pack(message, worker)
    assert (len(packed) < 100) is through_ring
    assert received(server, packed) == [message]


def test_where_the_ring_is_full_the_socket_carries_the_frame() -> None:
    (_, server), (_, worker) = ring()
    sent = [step(bytes([number]) * wire.RING_FROM_BYTES, number) for number in range(3)]
    packed = [wire.pack(message, worker) for message in sent]
    assert [len(data) < 100 for data in packed] == [True, False, False]
    assert received(server, b"".join(packed)) == sent


def test_room_comes_back_once_the_receiver_has_read_and_frames_never_wrap() -> None:
    (_, server), (_, worker) = ring()
    for number in range(10):
        message = step(bytes([number]) * (wire.RING_FROM_BYTES + 1000), number)
        packed = wire.pack(message, worker)
        assert len(packed) < 100, number
        assert received(server, packed) == [message]


def test_the_two_directions_do_not_share_room() -> None:
    (to_worker, from_worker), (into_worker, to_server) = ring()
    task = wire.Task(1, "p", "r", 1, "me", b"t" * (SIZE // 2 - 100))
    done = step(b"d" * (SIZE // 2 - 100))
    there, back = wire.pack(task, to_worker), wire.pack(done, to_server)
    assert max(len(there), len(back)) < 100
    assert [wire.decode_to_worker(frame) for frame in wire.Unpacker(into_worker).feed(there)] == [task]
    assert received(from_worker, back) == [done]


def test_the_mark_says_which_task_a_worker_is_at_and_since_when() -> None:
    cells = mmap.mmap(-1, 4096)
    assert wire.marked(cells) == (0, 0)
    wire.mark(cells, 7, 123_456_789_012)
    assert wire.marked(cells) == (7, 123_456_789_012)


def test_the_mark_does_not_touch_how_far_the_ring_was_read() -> None:
    memory, cells = mmap.mmap(-1, SIZE), mmap.mmap(-1, 4096)
    _, worker = wire.halves(memory, cells)
    _, server = wire.halves(memory, cells)
    for number in range(3):
        message = step(b"x" * (SIZE // 2 - 100), number)
        packed = wire.pack(message, worker)
        assert len(packed) < 100
        assert received(server, packed) == [message]
        wire.mark(cells, number, number)


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\x00\x00\x00\xc1\xc1\xc1",
        (wire.FRAME_MAX_BYTES + 1).to_bytes(4, "little"),
        b"\x01\x00\x00\x00\x91",
        (20_000).to_bytes(4, "little") + b"\x91" * 20_000,
        bytes(4) + struct.pack("<QQQ", 1 << 63, 8, (1 << 63) + 8),
        bytes(4) + struct.pack("<QQQ", 0, SIZE, SIZE),
        bytes(4) + struct.pack("<QQQ", 8, 8, 8),
    ],
)
def test_what_is_no_frame_is_malformed(data: bytes) -> None:
    (_, server), _ = ring()
    with pytest.raises(wire.Malformed):
        received(server, data)


def test_a_frame_that_nobody_can_carry_is_refused_where_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FRAME_MAX_BYTES", 100_000)
    _, (_, worker) = ring()
    with pytest.raises(AuthorError) as caught:
        wire.pack(step(bytes(100_000)), worker)
    assert caught.value.code == "message.too_large"
