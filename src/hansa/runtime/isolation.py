"""Locks a process down for good: a worker after the fork, before any author code and before any native thread; a
zygote before it imports what a product requires (`enclose`).

    limits → not inspectable → no capabilities → no new privileges → calls (seccomp) → files (Landlock)

Afterwards the process reads its libraries and what its policy lists, writes its scratch folder, starts threads, and
uses the descriptors it already has. Everything else is refused with `PermissionError`, too much memory with
`MemoryError`. A worker never gets out of it; `hansa.runtime.isolation_probe` tries each act for real.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

import msgspec

from hansa.errors import OperatorError
from hansa.runtime import landlock, linux, seccomp

MODES: Final = ("strict", "best", "none")
SYSTEM_READ_PATHS: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
"""What libraries read to find out where they run; none of it belongs to a product."""
SYSTEM_WRITE_PATHS: Final = ("/dev/null",)


@dataclasses.dataclass(frozen=True)
class IsolationPolicy:
    """What a worker may do.

    `read_paths`: files and folders besides the interpreter's own. `write_paths`: likewise, to write as well; the first
    becomes the home and the folder for temporary files. `memory_max_bytes`: address space beyond what the process
    uses when it is isolated. `file_max_bytes`: size of one file. `required`: refuse to go on where a step fails.
    """

    read_paths: tuple[str, ...] = ()
    write_paths: tuple[str, ...] = ()
    memory_max_bytes: int = 4 << 30
    file_max_bytes: int = 1 << 30
    open_files_max: int = 256
    required: bool = True


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: whether it is in force, and how, or why not."""

    name: str
    in_force: bool
    detail: str


@dataclasses.dataclass(frozen=True)
class IsolationReport:
    steps: tuple[Step, ...]

    @property
    def missing(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.in_force)

    def as_dict(self) -> dict[str, str]:
        """Step name → what is in force, or `unavailable: ` and why."""
        return {step.name: step.detail if step.in_force else f"unavailable: {step.detail}" for step in self.steps}


@dataclasses.dataclass(frozen=True)
class Ahead:
    """What is the same for every product, done before one is known; `files` are to be restricted with those of the
    product (None where the system cannot)."""

    steps: tuple[Step, ...]
    files: landlock.Files | None


def interpreter_paths(module_path: Iterable[str]) -> tuple[str, ...]:
    """Where Python's own and the installed modules are. An empty entry (the current folder) is none of them."""
    return tuple(dict.fromkeys((sys.prefix, sys.base_prefix, *(path for path in module_path if path))))


def apply(policy: IsolationPolicy, ahead: Ahead | None = None) -> IsolationReport:
    """Isolates this process, irrevocably; `ahead` is what `apply_ahead` did. Raises `OperatorError`
    `isolation.unavailable` when a step failed and the policy requires all of them (the process is then half isolated:
    end it), `isolation.too_late` when threads run."""
    _check_single()
    _point_to_scratch(policy.write_paths)
    done = ahead or apply_ahead()
    report = IsolationReport(
        (
            _attempt("limits", lambda: _limit(policy)),
            *done.steps,
            _attempt("files", lambda: _restrict_files(policy.read_paths, policy.write_paths, done.files)),
        )
    )
    if report.missing and policy.required:
        raise _unavailable(report)
    return report


def apply_ahead() -> Ahead:
    """What is the same for every product; a worker that waits for one has it behind it. Irrevocable."""
    steps = (*_renounce(), _attempt("calls", _restrict_calls))
    try:
        return Ahead(steps, _system_files())
    except OSError:
        return Ahead(steps, None)


def mode(text: str) -> str:
    """One of `MODES`. Raises `OperatorError("isolation.setting")`: a slip of the pen is not to isolate less."""
    if text not in MODES:
        raise OperatorError(
            "isolation.setting", f"HANSA_ISOLATION is {text!r}", hint=f"It is one of {', '.join(MODES)}."
        )
    return text


def check() -> None:
    """Raises `OperatorError("isolation.unavailable")` where a worker of this machine could not be isolated: it is tried
    in a process of its own. To be called before there are threads. Where workers cannot be at all, it says nothing."""
    if sys.platform != "linux":
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _try_into(writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        report = told.read()
    _, status = os.waitpid(child, 0)
    ended = Step("process", False, f"it ended with status {os.waitstatus_to_exitcode(status)}")
    missing = msgspec.msgpack.decode(report, type=tuple[Step, ...]) if report else (ended,)
    if missing:
        raise _unavailable(IsolationReport(missing))


def _try_into(writing: int) -> NoReturn:
    """Isolates this process, tells what did not succeed, and ends."""
    try:
        report = apply(IsolationPolicy(required=False))
        os.write(writing, msgspec.msgpack.encode(report.missing))
    finally:
        os._exit(0)


def enclose(read: tuple[str, ...], room: str, *, required: bool) -> tuple[IsolationReport, int | None]:
    """Encloses a zygote before it imports what is not Hansa's own, irrevocably, with all the workers it will fork. They
    read their libraries, `read` and `room`, write in the room's `scratch`, and ask for each process at the descriptor
    that is returned (None where the system has no such thing). Raises as `apply` does."""
    _check_single()
    scratch = os.path.join(room, "scratch")
    os.makedirs(scratch, exist_ok=True)
    _point_to_scratch((scratch,))
    listeners: list[int] = []

    def restrict_calls() -> str:
        listeners.append(seccomp.enclose(scoped=landlock.version() >= landlock.SCOPES_SINCE))
        return "seccomp, new processes are asked for"

    report = IsolationReport(
        (
            _attempt("limits", _forbid_cores),
            *_renounce(),
            _attempt("files", lambda: _restrict_files(("/proc", room, *read), (scratch,))),
            _attempt("calls", restrict_calls),
        )
    )
    if report.missing and required:
        raise _unavailable(report)
    return report, next(iter(listeners), None)


def _renounce() -> tuple[Step, ...]:
    return (
        _attempt("inspection", _forbid_inspection),
        _attempt("capabilities", _drop_capabilities),
        _attempt("privileges", _forbid_privileges),
    )


def _check_single() -> None:
    if sys.platform == "linux" and linux.thread_count() > 1:
        raise OperatorError(
            "isolation.too_late",
            f"{linux.thread_count()} threads run already; Landlock would hold only one of them",
            hint="Isolate the worker before anything starts a thread: see `failed` of its zygote.",
        )


def _attempt(name: str, act: Callable[[], str]) -> Step:
    try:
        return Step(name, True, act())
    except OSError as failure:
        return Step(name, False, failure.strerror or str(failure))


def _point_to_scratch(write_paths: tuple[str, ...]) -> None:
    if write_paths:
        os.environ["TMPDIR"] = os.environ["HOME"] = write_paths[0]
        tempfile.tempdir = None


def _forbid_cores() -> str:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return "no core dump"


def _limit(policy: IsolationPolicy) -> str:
    address_space = linux.mapped_bytes() + policy.memory_max_bytes
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: policy.file_max_bytes,
        resource.RLIMIT_NOFILE: policy.open_files_max,
        resource.RLIMIT_AS: address_space,
    }
    for which, wanted in limits.items():
        _, hard = resource.getrlimit(which)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (value, value))
    return f"memory +{policy.memory_max_bytes} B, file {policy.file_max_bytes} B, {policy.open_files_max} open files"


def _forbid_inspection() -> str:
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    return "no core dump, no debugger, no reading by others of its user"


def _drop_capabilities() -> str:
    linux.drop_capabilities()
    return "none left"


def _forbid_privileges() -> str:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    return "no_new_privs"


def _system_files() -> landlock.Files:
    """What every process here may touch."""
    files = landlock.Files()
    try:
        files.allow((*SYSTEM_READ_PATHS, *interpreter_paths(sys.path)), SYSTEM_WRITE_PATHS)
    except BaseException:
        files.close()
        raise
    return files


def _restrict_files(read: Iterable[str], write: Iterable[str], system: landlock.Files | None = None) -> str:
    files = system or _system_files()
    try:
        files.allow(read, write)
        ruleset = files.restrict()
    finally:
        files.close()
    gaps = f", without {', '.join(ruleset.gaps)}" if ruleset.gaps else ""
    return f"Landlock {ruleset.abi}{gaps}"


def _restrict_calls() -> str:
    return f"seccomp, {seccomp.install()} instructions"


def _unavailable(report: IsolationReport) -> OperatorError:
    missing = "; ".join(f"{step.name}: {step.detail}" for step in report.missing)
    return OperatorError(
        "isolation.unavailable",
        f"This machine cannot isolate a worker ({missing})",
        hint="Use Linux 5.13 or newer with Landlock and seccomp, and in a container a profile that lets them pass. "
        "HANSA_ISOLATION=best runs with what there is.",
        details={"steps": report.as_dict()},
    )
