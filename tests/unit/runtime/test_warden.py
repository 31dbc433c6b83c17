"""What an enclosed zygote is allowed: one process for each that was asked for, and to die with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from hansa.runtime import linux
from hansa.runtime.seccomp import ARCHITECTURES
from hansa.runtime.syscall_numbers import NUMBERS
from hansa.runtime.warden import Warden

pytestmark = pytest.mark.skipif(os.uname().machine not in ARCHITECTURES, reason="no filter for this machine")
COLUMN = ARCHITECTURES.get(os.uname().machine, (0, 0))[0]
FORK = 0x01200000 | signal.SIGCHLD


@pytest.fixture
def warden() -> Iterator[Warden]:
    loop = asyncio.new_event_loop()
    reading, writing = os.pipe()
    found = Warden(reading, loop)
    yield found
    found.close()
    os.close(writing)
    loop.close()


def allows(warden: Warden, call: str, *arguments: int) -> bool:
    number = NUMBERS[call][COLUMN]
    assert number is not None
    return warden.allows(number, (*arguments, *[0] * (6 - len(arguments))))


def test_as_many_processes_as_were_asked_for(warden: Warden) -> None:
    assert not allows(warden, "clone", FORK)
    warden.forks_allowed = 2
    assert [allows(warden, "clone", FORK) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("flags", [0x10000000, 0x00008000, 0x00000100, 0x00020000])
def test_no_namespace_no_other_parent_no_shared_memory(warden: Warden, flags: int) -> None:
    warden.forks_allowed = 1
    assert not allows(warden, "clone", FORK | flags)
    assert warden.forks_allowed == 1


def test_a_process_dies_with_its_parent_and_by_nothing_less(warden: Warden) -> None:
    assert allows(warden, "prctl", linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    assert not allows(warden, "prctl", linux.PR_SET_PDEATHSIG, 0)
    assert not allows(warden, "prctl", 0x59616D61, os.getpid())


def test_nothing_else(warden: Warden) -> None:
    warden.forks_allowed = 1
    assert not allows(warden, "execve")
