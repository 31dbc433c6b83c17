"""What the workers of test_zygote.py run; imported by the zygote, not by pytest."""

import ctypes
import mmap
import os
import random
import socket
import struct
import sys
import time


def echo(connection: int, ring: int, cells: int) -> None:
    with socket.socket(fileno=connection) as sock:
        sock.sendall(b"!")
        while data := sock.recv(1024):
            _DEEDS.get(data, _echo)(sock, ring, cells, data)


def _echo(sock, ring, cells, data):
    sock.sendall(data)


def _copy(sock, ring, cells, data):
    with mmap.mmap(ring, 0) as memory, mmap.mmap(cells, 0) as cell:
        half = len(memory) // 2
        memory[half : half + 5] = memory[:5].upper()
        cell[:8] = struct.pack("<q", 42)
    sock.sendall(b"copied")


def _describe(sock, ring, cells, data):
    found = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    opened = [number for number in found if os.path.exists(f"/proc/self/fd/{number}")]
    expected = {0, 1, 2, sock.fileno(), ring, cells}
    sock.sendall(repr((sorted(set(opened) - expected), sorted(os.environ), random.random())).encode())


def _exit(sock, ring, cells, data):
    sys.exit(7)


def _raise(sock, ring, cells, data):
    raise ValueError("the worker's own mistake")


def _crash(sock, ring, cells, data):
    ctypes.string_at(0)


def _flood(sock, ring, cells, data):
    for number in range(20_000):
        print("line", number, file=sys.stderr)
    sock.sendall(b"flooded")


def _shrink(sock, ring, cells, data):
    try:
        os.ftruncate(ring, 1)
    except PermissionError:
        sock.sendall(b"sealed")


def _sleep(sock, ring, cells, data):
    sock.sendall(b"asleep")
    time.sleep(60)


def _found(sock, ring, cells, data):
    sock.sendall(repr(sys.modules["malice"].FOUND).encode())


_DEEDS = {
    b"found": _found,
    b"copy": _copy,
    b"describe": _describe,
    b"exit": _exit,
    b"raise": _raise,
    b"crash": _crash,
    b"flood": _flood,
    b"shrink": _shrink,
    b"sleep": _sleep,
}
