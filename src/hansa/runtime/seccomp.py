"""The system calls a worker may not make, as a seccomp filter of our own (seccomp(2), linux/seccomp.h, linux/filter.h).

What is refused: the network, new processes and programs, other processes, mounts and namespaces, modes and owners of
files (which Landlock does not cover), message queues and shared memory of System V and POSIX, the kernel's own doors.
What stays: threads, files (Landlock decides), the sockets that are open already, a stream pair within the process.
A zygote is refused the same, but that it may ask: what makes a process goes to the server, which decides each call.
`program` is pure; `install` and `enclose` are final and concern the calling thread and those it starts.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import struct
import sys
from typing import Final

from hansa.runtime import linux
from hansa.runtime.syscall_numbers import LAST_KNOWN, NUMBERS

ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of `NUMBERS`, and AUDIT_ARCH_* (linux/audit.h)."""

# linux/seccomp.h
_MODE_FILTER: Final = 2
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 1 << 3
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
RET_KILL_PROCESS: Final = 0x80000000
RET_ERRNO: Final = 0x00050000
RET_USER_NOTIF: Final = 0x7FC00000
RET_ALLOW: Final = 0x7FFF0000
_DATA_NUMBER: Final = 0
_DATA_ARCHITECTURE: Final = 4
_DATA_ARGUMENTS: Final = 16

# linux/filter.h, linux/bpf_common.h
LOAD: Final = 0x20
AND: Final = 0x54
JUMP_EQUAL: Final = 0x15
JUMP_GREATER: Final = 0x25
RETURN: Final = 0x06

_ALL_BITS: Final = 0xFFFFFFFF
_AF_UNIX: Final = 1
_SOCK_STREAM: Final = 1
_SOCK_TYPE_MASK: Final = 0xF
_CLONE_THREAD: Final = 0x00010000  # linux/sched.h
_PR_SET_PTRACER: Final = 0x59616D61  # linux/prctl.h
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15  # asm-generic/fcntl.h


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One sock_filter: operation, jump if true, jump if false, operand."""

    code: int
    operand: int
    if_true: int = 0
    if_false: int = 0

    def pack(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.operand)


@dataclasses.dataclass(frozen=True)
class Condition:
    """Holds when the lower half of an argument, under `mask`, is one of `values`; with `negated`, when it is none."""

    argument: int
    values: tuple[int, ...]
    mask: int = _ALL_BITS
    negated: bool = False


@dataclasses.dataclass(frozen=True)
class Rule:
    """A call that is not simply made unless every condition passes; without a condition it never is. It fails with
    `error`, or with `asked` waits for what the holder of the listener decides."""

    call: str
    unless: tuple[Condition, ...] = ()
    error: int = errno.EPERM
    asked: bool = False

    @property
    def verdict(self) -> int:
        return RET_USER_NOTIF if self.asked else RET_ERRNO | self.error


def rules(pid: int) -> tuple[Rule, ...]:
    """What the worker `pid` may not do. The list of calls is that of `NUMBERS`; the exceptions stand here."""
    return tuple(_rules(pid).values())


def zygote_rules(pid: int, *, scoped: bool) -> tuple[Rule, ...]:
    """What the zygote `pid` may not do, nor its workers before they have rules of their own. It watches its children.
    A new process, and the tie of its life to another's, is asked for. `scoped`: Landlock keeps signals among its own;
    where it cannot, there are none."""
    found = _rules(pid)
    del found["pidfd_open"]
    if scoped:
        del found["kill"], found["tgkill"]
    else:
        found |= {"kill": Rule("kill"), "tgkill": Rule("tgkill")}
    found["clone"] = dataclasses.replace(found["clone"], asked=True)
    tied = Condition(0, (linux.PR_SET_PDEATHSIG, _PR_SET_PTRACER), negated=True)
    found["prctl"] = Rule("prctl", (tied,), asked=True)
    return tuple(found.values())


def _rules(pid: int) -> dict[str, Rule]:
    own = (Condition(0, (pid,)),)
    own_or_caller = (Condition(0, (0, pid)),)
    stream_pair = (Condition(0, (_AF_UNIX,)), Condition(1, (_SOCK_STREAM,), _SOCK_TYPE_MASK))
    kept_options = (linux.PR_SET_PDEATHSIG, linux.PR_SET_DUMPABLE, _PR_SET_PTRACER)
    exceptions = {
        "kill": own,
        "tgkill": own,
        "prlimit64": own_or_caller,
        "sched_setaffinity": own_or_caller,
        "socketpair": stream_pair,
        "clone": (Condition(0, (_CLONE_THREAD,), _CLONE_THREAD),),
        "prctl": (Condition(0, kept_options, negated=True),),
        "fcntl": (Condition(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX), negated=True),),
    }
    errors = {"clone3": errno.ENOSYS}  # libc then takes clone, whose flags a filter can read
    return {call: Rule(call, exceptions.get(call, ()), errors.get(call, errno.EPERM)) for call in NUMBERS}


def program(machine: str, refused: tuple[Rule, ...]) -> tuple[Instruction, ...]:
    """The filter for `machine` (as `os.uname()` names it). Another architecture's call kills the process; calls later
    than `LAST_KNOWN`, and those of the x32 interface, do not exist. Raises `OSError` for an unknown machine."""
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}, only for {' and '.join(ARCHITECTURES)}")
    column, architecture = ARCHITECTURES[machine]
    found = [
        Instruction(LOAD, _DATA_ARCHITECTURE),
        Instruction(JUMP_EQUAL, architecture, if_true=1),
        Instruction(RETURN, RET_KILL_PROCESS),
        Instruction(LOAD, _DATA_NUMBER),
        Instruction(JUMP_GREATER, LAST_KNOWN, if_false=1),
        Instruction(RETURN, RET_ERRNO | errno.ENOSYS),
    ]
    for rule in refused:
        number = NUMBERS[rule.call][column]
        if number is not None:
            body = _body(rule)
            found += [Instruction(JUMP_EQUAL, number, if_false=len(body)), *body]
    return (*found, Instruction(RETURN, RET_ALLOW))


def install() -> int:
    """Puts a worker's filter in force for this thread and returns its length. Needs no_new_privs. Raises `OSError`."""
    instructions = program(os.uname().machine, rules(os.getpid()))
    load(instructions)
    return len(instructions)


def enclose(*, scoped: bool) -> int:
    """Puts a zygote's filter in force for this thread and returns the descriptor at which whoever holds it decides what
    is asked (see `warden`). Needs no_new_privs. Raises `OSError`."""
    machine = os.uname().machine
    instructions = program(machine, zygote_rules(os.getpid(), scoped=scoped))
    header, code = _header(instructions)
    listener = linux.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _NEW_LISTENER, header)
    del code  # the kernel has its copy
    return listener


def load(instructions: tuple[Instruction, ...]) -> None:
    """Puts any filter in force for this thread. Needs no_new_privs. Raises `OSError`."""
    header, code = _header(instructions)
    linux.prctl(linux.PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(header))
    del code


def _header(instructions: tuple[Instruction, ...]) -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]:
    """sock_fprog, and the code that it points to: keep both until the kernel has read them."""
    code = ctypes.create_string_buffer(b"".join(instruction.pack() for instruction in instructions))
    return ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code))), code


def _body(rule: Rule) -> list[Instruction]:
    refuse = Instruction(RETURN, rule.verdict)
    if not rule.unless:
        return [refuse]
    conditions = [instruction for condition in rule.unless for instruction in _condition(condition, refuse)]
    return [*conditions, Instruction(RETURN, RET_ALLOW)]


def _condition(condition: Condition, refuse: Instruction) -> list[Instruction]:
    """Falls through behind its end when the condition passes."""
    count = len(condition.values)
    lower_half = 0 if sys.byteorder == "little" else 4
    found = [Instruction(LOAD, _DATA_ARGUMENTS + 8 * condition.argument + lower_half), Instruction(AND, condition.mask)]
    for index, value in enumerate(condition.values):
        to_refuse = count - 1 - index
        is_last = index == count - 1
        if condition.negated:
            found.append(Instruction(JUMP_EQUAL, value, if_true=to_refuse, if_false=int(is_last)))
        else:
            found.append(Instruction(JUMP_EQUAL, value, if_true=to_refuse + 1))
    return [*found, refuse]
