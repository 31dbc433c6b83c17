"""Decides, in the server, what an enclosed zygote asks of the kernel: seccomp's user notification (seccomp_unotify(2)).

A zygote runs code of packages that products require. It may make as many processes as it was asked for, so that an
import cannot fill the machine with them, and tie a process's life only to its parent's, by SIGKILL. Only numbers that
stand in registers are decided upon; nothing of the zygote's memory is read.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import signal
import struct
from typing import Final

from hansa.runtime import linux
from hansa.runtime.seccomp import ARCHITECTURES
from hansa.runtime.syscall_numbers import NUMBERS

# linux/seccomp.h: SECCOMP_IOCTL_NOTIF_RECV, _SEND, SECCOMP_USER_NOTIF_FLAG_CONTINUE; seccomp_notif, seccomp_notif_resp
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_CONTINUE: Final = 1
_ASKED: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_COLUMN: Final = ARCHITECTURES.get(os.uname().machine, (0, 0))[0]
_FORK_FLAGS: Final = 0x01300000 | signal.SIGCHLD
"""CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, CLONE_PARENT_SETTID (linux/sched.h): a plain child, in no namespace of its
own."""
_CLONE: Final = NUMBERS["clone"][_COLUMN]
_PRCTL: Final = NUMBERS["prctl"][_COLUMN]


class Warden:
    """Holds the listener of one zygote. `forks_allowed` counts down with each process that is made."""

    def __init__(self, listener: int, loop: asyncio.AbstractEventLoop) -> None:
        self.forks_allowed = 0
        self._listener = listener
        self._loop = loop
        loop.add_reader(listener, self._answer)

    def close(self) -> None:
        """Decides no more: what is asked from now on fails. A second call does nothing."""
        if self._listener >= 0:
            self._loop.remove_reader(self._listener)
            os.close(self._listener)
            self._listener = -1

    def allows(self, call: int, arguments: tuple[int, ...]) -> bool:
        """Whether a call may be made; one that makes a process uses up a permission."""
        if call == _CLONE and self.forks_allowed > 0 and not arguments[0] & ~_FORK_FLAGS:
            self.forks_allowed -= 1
            return True
        return call == _PRCTL and arguments[:2] == (linux.PR_SET_PDEATHSIG, signal.SIGKILL)

    def _answer(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        ready = poll.poll(0)
        if not ready or not ready[0][1] & select.POLLIN:
            self.close()
            return
        asked = bytearray(_ASKED.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, asked)
            number, _, _, call, _, _, *arguments = _ASKED.unpack(asked)
            is_allowed = self.allows(call, tuple(arguments))
            fault, flags = (0, _CONTINUE) if is_allowed else (-errno.EPERM, 0)
            fcntl.ioctl(self._listener, _SEND, bytearray(_ANSWER.pack(number, 0, fault, flags)))
        except FileNotFoundError:
            return  # who asked has gone
