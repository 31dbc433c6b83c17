"""Which files a worker may touch, by Landlock (landlock(7), linux/landlock.h): what is not listed is refused.

Concerns the calling thread and those it starts, for good. What the kernel's version cannot do is left out and said by
`Ruleset.gaps`. Landlock does not cover modes, owners and attributes of files: `seccomp` refuses to change those.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

from hansa.runtime import linux

_CREATE_RULESET: Final = 444  # asm-generic/unistd.h; the same on every architecture
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1

# LANDLOCK_ACCESS_FS_*
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))

_ALL_NET: Final = 0b11  # LANDLOCK_ACCESS_NET_BIND_TCP, _CONNECT_TCP
_ALL_SCOPES: Final = 0b11  # LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, _SIGNAL

SCOPES_SINCE: Final = 6
"""The version from which signals stay among the restricted."""
READ: Final = READ_FILE | READ_DIR
WRITE: Final = (
    READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | MAKE_SYM | REFER
)
_FOR_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """What the kernel is asked to refuse unless a rule allows it, and what this kernel's version cannot refuse."""

    abi: int
    files: int
    net: int
    scopes: int
    gaps: tuple[str, ...]

    def pack(self) -> bytes:
        """landlock_ruleset_attr, as long as the version knows it."""
        fields = (self.files, self.net, self.scopes)
        known = 3 if self.abi >= 6 else 2 if self.abi >= 4 else 1
        return struct.pack(f"={known}Q", *fields[:known])


def ruleset(abi: int) -> Ruleset:
    """The strictest set that Landlock version `abi` (1 or later) can hold."""
    last = 15 if abi >= 5 else 14 if abi >= 3 else 13 if abi >= 2 else 12
    gaps = (
        (3, "truncating files"),
        (4, "TCP"),
        (5, "device controls"),
        (6, "signals and abstract sockets"),
    )
    return Ruleset(
        abi=abi,
        files=(1 << (last + 1)) - 1,
        net=_ALL_NET if abi >= 4 else 0,
        scopes=_ALL_SCOPES if abi >= 6 else 0,
        gaps=tuple(name for since, name in gaps if abi < since),
    )


def version() -> int:
    """The Landlock version of the running kernel. Raises `OSError` where there is none or it is switched off."""
    found = linux.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    if found < 1:
        raise OSError(errno.EOPNOTSUPP, "Landlock is switched off")
    return found


class Files:
    """A ruleset that is not in force yet: files are allowed, then everything else is refused to this process for good.
    Needs no_new_privs. Everything raises `OSError`."""

    def __init__(self) -> None:
        self.ruleset = ruleset(version())
        attributes = self.ruleset.pack()
        self._descriptor = linux.syscall(_CREATE_RULESET, attributes, len(attributes), 0)

    def allow(self, read: Iterable[str], write: Iterable[str]) -> None:
        """Allows to read beneath `read`, to read and write beneath `write`. A path that does not exist is left out."""
        for paths, access in ((read, READ), (write, WRITE)):
            for path in paths:
                _allow(self._descriptor, path, access & self.ruleset.files)

    def restrict(self) -> Ruleset:
        """No other file from now on, and nothing may be executed."""
        linux.syscall(_RESTRICT_SELF, self._descriptor, 0)
        return self.ruleset

    def close(self) -> None:
        """What was restricted stays so."""
        os.close(self._descriptor)


def _allow(ruleset_descriptor: int, path: str, access: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(target).st_mode):
                access &= _FOR_FILES
            beneath = struct.pack("=Qi", access, target)
            linux.syscall(_ADD_RULE, ruleset_descriptor, _RULE_PATH_BENEATH, ctypes.c_char_p(beneath), 0)
        finally:
            os.close(target)
