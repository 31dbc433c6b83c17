"""Locks a worker down for good: after the fork, before any author code and before any native thread.

    limits → not inspectable → no capabilities → no new privileges → files (Landlock) → calls (seccomp)

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
from typing import Final

from hansa.errors import OperatorError
from hansa.runtime import landlock, linux, seccomp

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
    allow_fork: bool = False
    allow_network: bool = False
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


def interpreter_paths(module_path: Iterable[str]) -> tuple[str, ...]:
    """Where Python's own and the installed modules are. An empty entry (the current folder) is none of them."""
    return tuple(dict.fromkeys((sys.prefix, sys.base_prefix, *(path for path in module_path if path))))


def apply(policy: IsolationPolicy) -> IsolationReport:
    """Isolates this process, irrevocably. Raises `OperatorError` `isolation.unavailable` when a step failed and the
    policy requires all of them (the process is then half isolated: end it), `isolation.too_late` when threads run."""
    if sys.platform == "linux" and linux.thread_count() > 1:
        raise OperatorError(
            "isolation.too_late",
            f"{linux.thread_count()} threads run already; Landlock would hold only one of them",
            hint="Isolate the worker before anything starts a thread: see `failed` of its zygote.",
        )
    steps: tuple[tuple[str, Callable[[IsolationPolicy], str]], ...] = (
        ("limits", _limit),
        ("inspection", _forbid_inspection),
        ("capabilities", _drop_capabilities),
        ("privileges", _forbid_privileges),
        ("files", _restrict_files),
        ("calls", _restrict_calls),
    )
    _point_to_scratch(policy)
    report = IsolationReport(tuple(_attempt(name, act, policy) for name, act in steps))
    if report.missing and policy.required:
        raise _unavailable(report)
    return report


def _attempt(name: str, act: Callable[[IsolationPolicy], str], policy: IsolationPolicy) -> Step:
    try:
        return Step(name, True, act(policy))
    except OSError as failure:
        return Step(name, False, failure.strerror or str(failure))


def _point_to_scratch(policy: IsolationPolicy) -> None:
    if policy.write_paths:
        os.environ["TMPDIR"] = os.environ["HOME"] = policy.write_paths[0]
        tempfile.tempdir = None


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


def _forbid_inspection(_: IsolationPolicy) -> str:
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    return "no core dump, no debugger, no reading by others of its user"


def _drop_capabilities(_: IsolationPolicy) -> str:
    linux.drop_capabilities()
    return "none left"


def _forbid_privileges(_: IsolationPolicy) -> str:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    return "no_new_privs"


def _restrict_files(policy: IsolationPolicy) -> str:
    read = (*SYSTEM_READ_PATHS, *interpreter_paths(sys.path), *policy.read_paths)
    write = (*SYSTEM_WRITE_PATHS, *policy.write_paths)
    ruleset = landlock.restrict(read, write, allow_network=policy.allow_network)
    gaps = f", without {', '.join(ruleset.gaps)}" if ruleset.gaps else ""
    return f"Landlock {ruleset.abi}{gaps}"


def _restrict_calls(policy: IsolationPolicy) -> str:
    length = seccomp.install(allow_fork=policy.allow_fork, allow_network=policy.allow_network)
    return f"seccomp, {length} instructions"


def _unavailable(report: IsolationReport) -> OperatorError:
    missing = "; ".join(f"{step.name}: {step.detail}" for step in report.missing)
    return OperatorError(
        "isolation.unavailable",
        f"This machine cannot isolate a worker ({missing})",
        hint="Use Linux 5.13 or newer with Landlock and seccomp; `hansa doctor` says what is missing. "
        "HANSA_ISOLATION=best runs with what there is.",
        details={"steps": report.as_dict()},
    )
