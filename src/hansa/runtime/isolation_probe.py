"""What the isolation of this machine holds, found out by trying: `hansa doctor` shows it.

A process of its own isolates itself as a worker does and attempts each forbidden act. A guarantee is in force only
where the act was seen to be refused.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import resource
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

import hansa
from hansa.runtime.isolation import IsolationPolicy, apply
from hansa.runtime.zygote import zygote_environment

PROBE_S: Final = 10.0
_MEMORY_MAX_BYTES: Final = 1 << 30
_FILE_MAX_BYTES: Final = 1 << 20
_PTRACE_ATTACH: Final = 16  # linux/ptrace.h

_LINUX: Final = "Run Hansa on Linux 5.13 or newer."
_LANDLOCK: Final = "Use a kernel with CONFIG_SECURITY_LANDLOCK and `landlock` in its lsm= list (Linux 5.13 or newer)."
_SECCOMP: Final = "Use a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64; a container must permit seccomp."
_LIMITS: Final = "Let the user that runs Hansa set its own limits (setrlimit)."
_PRIVILEGES: Final = "Run Hansa without privileges, or let it drop them (CAP_SETPCAP)."


@dataclasses.dataclass(frozen=True)
class Guarantee:
    """One promise: whether it is in force, what was seen, and what to change where it is not (empty where it is)."""

    name: str
    in_force: bool
    detail: str
    fix: str


@dataclasses.dataclass(frozen=True)
class _Act:
    """A forbidden act. It raises `refusal` where the guarantee holds; `fix` says what to do where it does not."""

    name: str
    run: Callable[[Path, Path], object]
    refusal: type[BaseException]
    fix: str


def probe() -> list[Guarantee]:
    """Tries every guarantee in a process of its own, in well under a second. Never raises for a missing one."""
    if sys.platform != "linux":
        return [Guarantee(act.name, False, f"not on {sys.platform}", _LINUX) for act in _ACTS]
    with tempfile.TemporaryDirectory(prefix="hansa-probe-") as folder:
        root = str(Path(hansa.__file__).parents[1])
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "hansa.runtime.isolation_probe", folder],
            capture_output=True,
            env=zygote_environment(os.environ, root, sysconfig.get_path("purelib")),
            timeout=PROBE_S,
            check=False,
        )
    try:
        return msgspec.json.decode(ended.stdout, type=list[Guarantee])
    except msgspec.DecodeError:
        words = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"status {ended.returncode}"]
        return [Guarantee(act.name, False, f"the probe ended early: {words[0]}", _LINUX) for act in _ACTS]


def main() -> None:
    """`python -m hansa.runtime.isolation_probe FOLDER`: prints the guarantees as JSON."""
    folder = Path(sys.argv[1])
    scratch, foreign = folder / "scratch", folder / "foreign"
    scratch.mkdir()
    foreign.write_text("of another product")
    policy = IsolationPolicy(
        write_paths=(str(scratch),),
        memory_max_bytes=_MEMORY_MAX_BYTES,
        file_max_bytes=_FILE_MAX_BYTES,
        required=False,
    )
    apply(policy)
    sys.stdout.buffer.write(msgspec.json.encode([_try(act, scratch, foreign) for act in _ACTS]))


def _try(act: _Act, scratch: Path, foreign: Path) -> Guarantee:
    try:
        act.run(scratch, foreign)
    except act.refusal as refusal:
        return Guarantee(act.name, True, f"refused: {str(refusal) or type(refusal).__name__}", "")
    except Exception as other:
        return Guarantee(act.name, False, f"not refused as expected: {other!r}", act.fix)
    return Guarantee(act.name, False, "it was possible", act.fix)


def _open_socket(_: Path, __: Path) -> None:
    socket.socket().close()


def _fork(_: Path, __: Path) -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _execute(_: Path, __: Path) -> None:
    os.execv("/nonexistent", ["nonexistent"])


def _signal_parent(_: Path, __: Path) -> None:
    os.kill(os.getppid(), 0)


def _inspect_parent(_: Path, __: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_ATTACH, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(_PTRACE_ATTACH + 1, os.getppid(), 0, 0)


def _read_foreign(_: Path, foreign: Path) -> None:
    foreign.read_text()


def _write_foreign(_: Path, foreign: Path) -> None:
    foreign.with_name("planted").write_text("x")


def _change_mode(_: Path, foreign: Path) -> None:
    foreign.chmod(0o666)


def _take_memory(_: Path, __: Path) -> None:
    bytearray(2 * _MEMORY_MAX_BYTES)


def _write_much(scratch: Path, _: Path) -> None:
    (scratch / "much").write_bytes(bytes(2 * _FILE_MAX_BYTES))


def _raise_limit(_: Path, __: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


_ACTS: Final = (
    _Act("network", _open_socket, PermissionError, _SECCOMP),
    _Act("new processes", _fork, PermissionError, _SECCOMP),
    _Act("new programs", _execute, PermissionError, _SECCOMP),
    _Act("signals to others", _signal_parent, PermissionError, _SECCOMP),
    _Act("inspection of others", _inspect_parent, PermissionError, _SECCOMP),
    _Act("modes of files", _change_mode, PermissionError, _SECCOMP),
    _Act("reading foreign files", _read_foreign, PermissionError, _LANDLOCK),
    _Act("writing foreign files", _write_foreign, PermissionError, _LANDLOCK),
    _Act("memory", _take_memory, MemoryError, _LIMITS),
    _Act("size of files", _write_much, OSError, _LIMITS),
    _Act("privileges", _raise_limit, ValueError, _PRIVILEGES),
)


if __name__ == "__main__":
    main()
