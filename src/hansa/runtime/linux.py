"""The Linux calls that the standard library does not offer, through ctypes. Every failure is an `OSError`.

Numbers are those of the kernel's own headers, named beside them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Final

# linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

# linux/capability.h
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAPABILITY_DATA_BYTES: Final = 24

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int | bytes) -> int:
    """prctl(2). Missing arguments are zero, as the kernel asks."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _call("prctl", option, *padded)


def syscall(number: int, *arguments: object) -> int:
    """syscall(2), for calls without a wrapper in every libc. Arguments are integers, bytes or ctypes values."""
    return _call("syscall", number, *arguments)


def name_process(name: str) -> None:
    """What `ps -o comm` and `top` show; the kernel keeps 15 bytes."""
    prctl(PR_SET_NAME, name.encode()[:15])


def die_with_parent(parent: int) -> None:
    """Kills this process when `parent`'s thread that made it ends, also when it ended before this call."""
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def parent_of(pidfd: int) -> int | None:
    """The number of the parent of the process that a pidfd stands for; None where that process has ended."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    pid = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
    try:
        return None if pid < 0 else int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def drop_capabilities() -> None:
    """Gives up every capability, those that a later exec could give back too. Root without them is a plain user."""
    if has_capabilities():
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
        for capability in range(last + 1):
            prctl(PR_CAPBSET_DROP, capability)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", header, bytes(_CAPABILITY_DATA_BYTES))


def has_capabilities() -> bool:
    """Whether this process holds a capability that is in force."""
    status = Path("/proc/self/status").read_text()
    return any(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))


def mapped_bytes() -> int:
    """The address space that this process uses, as RLIMIT_AS counts it."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def thread_count() -> int:
    """Threads of this process, native ones too."""
    return len(os.listdir("/proc/self/task"))


def close_all_but(kept: set[int]) -> None:
    """Closes every open file descriptor that is not in `kept`."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError as failure:  # the listing's own descriptor is gone by now
                if failure.errno != errno.EBADF:
                    raise


def _call(function: str, *arguments: object) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"{function} needs Linux")
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    ctypes.set_errno(0)
    result: int = getattr(_LIBC, function)(*words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
