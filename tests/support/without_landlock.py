"""`python without_landlock.py PROGRAM …`: runs a program as on a machine whose kernel has no Landlock: its system calls
are answered with ENOSYS (seccomp, linux/filter.h)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_LOAD_NUMBER, _FROM, _ABOVE, _RETURN = 0x20, 0x35, 0x25, 0x06
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000
_FIRST, _LAST = 444, 446
_PROGRAM = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (_LOAD_NUMBER, 0, 0, 0),
        (_FROM, 0, 2, _FIRST),
        (_ABOVE, 1, 0, _LAST),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_RETURN, 0, 0, _ALLOW),
    )
)

if __name__ == "__main__":
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    described = struct.pack("@HP", len(_PROGRAM) // 8, ctypes.addressof(program))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(described), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(sys.argv[1], sys.argv[1:])
