"""The filter is a program: it is run here, instruction by instruction, for both architectures."""

import errno
import re
import signal
from pathlib import Path

import pytest

from hansa.runtime import seccomp
from hansa.runtime.syscall_numbers import LAST_KNOWN, NUMBERS

PID = 4711
PERMITTED = seccomp.RET_ALLOW
REFUSED = seccomp.RET_ERRNO | errno.EPERM
UNKNOWN = seccomp.RET_ERRNO | errno.ENOSYS


def verdict(machine, number, *arguments, architecture=None, refused=None):
    program = seccomp.program(machine, refused or seccomp.rules(PID))
    data = {0: number, 4: architecture or seccomp.ARCHITECTURES[machine][1]}
    data |= {16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate(arguments)}
    at = accumulator = 0
    while True:
        step = program[at]
        at += 1
        if step.code == seccomp.LOAD:
            accumulator = data.get(step.operand, 0)
        elif step.code == seccomp.AND:
            accumulator &= step.operand
        elif step.code == seccomp.JUMP_EQUAL:
            at += step.if_true if accumulator == step.operand else step.if_false
        elif step.code == seccomp.JUMP_GREATER:
            at += step.if_true if accumulator > step.operand else step.if_false
        else:
            assert step.code == seccomp.RETURN
            return step.operand


def call(machine, name, *arguments, refused=None):
    number = NUMBERS[name][seccomp.ARCHITECTURES[machine][0]]
    return verdict(machine, number, *arguments, refused=refused)


machines = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
CONDITIONAL = {"clone", "clone3", "kill", "tgkill", "prlimit64", "sched_setaffinity", "socketpair", "prctl", "fcntl"}


@machines
def test_every_listed_call_without_a_condition_is_refused(machine):
    column = seccomp.ARCHITECTURES[machine][0]
    names = [name for name in NUMBERS if name not in CONDITIONAL and NUMBERS[name][column] is not None]
    assert len(names) > 90
    assert {name for name in names if call(machine, name) != REFUSED} == set()


@machines
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), PERMITTED),  # a thread, as glibc starts it
        ("clone", (int(signal.SIGCHLD),), REFUSED),
        ("clone", (0x4000 | 0x100 | int(signal.SIGCHLD),), REFUSED),  # CLONE_VFORK | CLONE_VM
        ("clone3", (), UNKNOWN),
        ("kill", (PID, 0), PERMITTED),
        ("kill", (PID + 1, 0), REFUSED),
        ("kill", (-1, 9), REFUSED),
        ("tgkill", (PID, PID, 6), PERMITTED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("prlimit64", (0,), PERMITTED),
        ("prlimit64", (1,), REFUSED),
        ("socketpair", (1, 1 | 0x80000), PERMITTED),
        ("socketpair", (1, 2), REFUSED),  # a datagram socket could be sent to any path
        ("socketpair", (2, 1), REFUSED),
        ("prctl", (15,), PERMITTED),
        ("prctl", (1,), REFUSED),
        ("prctl", (4,), REFUSED),
        ("prctl", (0x59616D61,), REFUSED),
        ("fcntl", (3, 2), PERMITTED),
        ("fcntl", (3, 8, 1), REFUSED),
        ("fcntl", (3, 15, 1), REFUSED),
    ],
)
def test_a_conditional_call_is_refused_by_its_arguments(machine, name, arguments, expected):
    assert call(machine, name, *arguments) == expected


@machines
def test_reading_and_writing_open_files_is_permitted(machine):
    for number in (0, 1) if machine == "x86_64" else (63, 64):
        assert verdict(machine, number) == PERMITTED


@machines
def test_calls_of_the_future_and_of_other_interfaces_do_not_exist(machine):
    assert verdict(machine, LAST_KNOWN + 1) == UNKNOWN
    assert verdict(machine, 0x40000000) == UNKNOWN
    assert verdict(machine, 0, architecture=0x40000003) == seccomp.RET_KILL_PROCESS


@machines
def test_a_zygote_asks_for_processes_and_signals_only_where_landlock_holds_them(machine):
    def zygote(name, *arguments, scoped=True):
        refused = seccomp.zygote_rules(PID, scoped=scoped)
        return call(machine, name, *arguments, refused=refused)

    assert zygote("clone", int(signal.SIGCHLD)) == seccomp.RET_USER_NOTIF
    assert zygote("clone", 0x10000) == PERMITTED
    assert zygote("prctl", 1, int(signal.SIGKILL)) == seccomp.RET_USER_NOTIF
    assert zygote("prctl", 4, 0) == PERMITTED
    assert zygote("pidfd_open", PID + 1) == PERMITTED
    assert zygote("kill", PID + 1) == PERMITTED
    assert zygote("kill", PID, scoped=False) == REFUSED
    assert zygote("tgkill", PID, scoped=False) == REFUSED
    worker = {rule.call for rule in seccomp.rules(PID)}
    assert worker - {rule.call for rule in seccomp.zygote_rules(PID, scoped=True)} == {"pidfd_open", "kill", "tgkill"}


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program("riscv64", ())


@pytest.mark.parametrize(
    ("header", "column"),
    [("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0), ("/usr/include/asm-generic/unistd.h", 1)],
)
def test_the_numbers_are_those_of_the_kernel(header, column):
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    lines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    known = {name: int(number) for name, number in lines}
    ours = {name: numbers[column] for name, numbers in NUMBERS.items() if name in known}
    assert len(ours) > 90
    assert {name: known[name] for name in ours} == ours
