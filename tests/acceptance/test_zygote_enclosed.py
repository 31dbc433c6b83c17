"""A package that a product requires runs when it is imported, in the zygote: there it tries everything it must not."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hansa.errors import OperatorError, Unavailable
from hansa.runtime.zygote import LibrarySet, Zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zygotes need Linux")

HERE = str(Path(__file__).parent)
DEADLINE_S = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with what no package may see."""
    data = tmp_path / "data"
    for name in ("log.db", "registry.db", "secrets.yaml", "revisions/other/product.py", "rooms/other/revisions/a"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("not for packages")
    return data


def libraries(data: Path, code: str) -> LibrarySet:
    """A set whose package `malice` is that code."""
    packages = data / "environments" / "key"
    packages.mkdir(parents=True)
    (packages / "malice.py").write_text(code)
    own = ("hansa.runtime.isolation",)
    return LibrarySet("malice", (str(packages), HERE), ("malice",), own, str(data / "rooms" / "own"))


@contextlib.asynccontextmanager
async def enclosed(data: Path, code: str) -> AsyncIterator[Zygote]:
    zygote = await Zygote.start(libraries(data, code), worker_main="zygote_workers:echo", ready_timeout_s=10)
    try:
        yield zygote
    finally:
        await zygote.stop()


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(bounded())


async def found(zygote: Zygote) -> Any:
    """What the package wrote down, as a worker has it."""
    loop = asyncio.get_running_loop()
    with await zygote.fork() as worker:
        assert await loop.sock_recv(worker.sock, 1) == b"!"
        await loop.sock_sendall(worker.sock, b"found")
        return ast.literal_eval((await loop.sock_recv(worker.sock, 65536)).decode())


TRY = """
import ctypes, os, pathlib, signal, socket, subprocess, threading
FOUND = {{}}
def attempt(name, act):
    try:
        FOUND[name] = repr(act())
    except BaseException as refusal:
        FOUND[name] = type(refusal).__name__
def ptrace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) < 0:
        raise PermissionError(ctypes.get_errno())
def prctl(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*arguments, 0, 0, 0) < 0:
        raise PermissionError(ctypes.get_errno())
def clone(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(56 if os.uname().machine == "x86_64" else 220, flags, 0, 0, 0, 0)
    if pid < 0:
        raise PermissionError(ctypes.get_errno())
    if pid == 0:
        os._exit(0)
data, home, server = pathlib.Path({data!r}), pathlib.Path({home!r}), {server}
attempt("a socket", lambda: socket.socket())
attempt("a datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("a unix socket", lambda: socket.socket(socket.AF_UNIX))
attempt("log.db", lambda: (data / "log.db").read_text())
attempt("secrets.yaml", lambda: (data / "secrets.yaml").read_text())
attempt("another product", lambda: (data / "revisions/other/product.py").read_text())
attempt("another room", lambda: (data / "rooms/other/revisions/a").read_text())
attempt("listing the data", lambda: os.listdir(data))
attempt("/etc/passwd", lambda: open("/etc/passwd").read())
attempt("the server's environment", lambda: open(f"/proc/{{server}}/environ").read())
attempt("the server's memory", lambda: open(f"/proc/{{server}}/mem", "rb"))
attempt("the server's files", lambda: os.readlink(f"/proc/{{server}}/fd/0"))
attempt("writing at home", lambda: (home / ".profile").write_text("x"))
attempt("writing its own package", lambda: open(__file__, "a"))
attempt("writing in the data", lambda: (data / "planted").write_text("x"))
attempt("changing modes", lambda: os.chmod(__file__, 0o777))
attempt("a fork", lambda: os.fork() or os._exit(0))
attempt("a program", lambda: subprocess.run(["/bin/true"]))
attempt("a namespace", lambda: clone(0x10000000 | signal.SIGCHLD))
attempt("a signal to the server", lambda: os.kill(server, 0))
attempt("the end of the server", lambda: os.kill(server, signal.SIGKILL))
attempt("signals to all", lambda: os.kill(-1, 0) or "only itself")
attempt("tracing the server", lambda: ptrace(server))
attempt("outliving the server", lambda: prctl(1, 0))
attempt("leaving the group", lambda: os.setsid())
attempt("scratch", lambda: pathlib.Path(os.environ["TMPDIR"], "mine").write_text("x"))
attempt("its own file", lambda: len(open(__file__).read()) > 0)
"""
PERMITTED = {"scratch": "1", "its own file": "True"}
ALONE = {"signals to all"}
"""Reaches nobody but those who are enclosed with it: refused or not, it harms none."""


def test_whatever_an_import_tries_it_reaches_nothing_of_the_servers(data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    async def scenario() -> None:
        async with enclosed(data, TRY.format(data=str(data), home=str(home), server=os.getpid())) as zygote:
            assert zygote.failed == {}
            assert zygote.loaded[-1] == "malice"
            seen = await found(zygote)
        refused = {name: said for name, said in seen.items() if name not in PERMITTED and name not in ALONE}
        assert len(refused) == 24
        assert {name: said for name, said in refused.items() if said != "PermissionError"} == {}
        assert {name: seen[name] for name in PERMITTED} == PERMITTED
        assert os.listdir(home) == []
        assert not (data / "planted").exists()

    run(scenario)


def test_an_enclosed_zygote_says_what_is_in_force(data: Path) -> None:
    async def scenario() -> None:
        async with enclosed(data, "FOUND = {}") as zygote:
            assert set(zygote.enclosed) == {"limits", "inspection", "capabilities", "privileges", "files", "calls"}
            assert not [state for state in zygote.enclosed.values() if state.startswith("unavailable")]
            await asyncio.gather(*[found(zygote) for _ in range(5)])

    run(scenario)


def test_a_package_that_forks_later_makes_one_process_for_each_that_was_asked_for(data: Path) -> None:
    code = """
import os, signal
FOUND = []
fork = os.fork
def bomb():
    pid = fork()
    for _ in range(50):
        try:
            if fork() == 0:
                os._exit(0)
            FOUND.append("forked")
        except PermissionError:
            pass
    return pid
os.fork = bomb
"""

    async def scenario() -> None:
        async with enclosed(data, code) as zygote:
            assert await found(zygote) == []
            children = Path(f"/proc/{zygote.pid}/task/{zygote.pid}/children").read_text().split()
            assert len(children) <= 1

    run(scenario)


def test_a_zygote_that_names_another_process_as_its_worker_is_ended_and_that_process_lives(data: Path) -> None:
    code = f"""
import os
FOUND = []
real = os.pidfd_open
os.pidfd_open = lambda pid: real({os.getpid()})
"""

    async def scenario() -> None:
        async with enclosed(data, code) as zygote:
            with pytest.raises(Unavailable, match=r"zygote\.died"):
                await zygote.fork()
            assert await asyncio.shield(zygote.died) == -signal.SIGKILL

    run(scenario)


def test_a_package_that_never_ends_its_import_is_ended(data: Path) -> None:
    async def scenario() -> None:
        endless = libraries(data, "while True: pass")
        with pytest.raises(OperatorError, match=r"zygote\.failed"):
            await Zygote.start(endless, worker_main="zygote_workers:echo", ready_timeout_s=1)

    run(scenario)


def test_without_isolation_nothing_is_enclosed(data: Path) -> None:
    async def scenario() -> None:
        plain = libraries(data, "FOUND = {}")
        zygote = await Zygote.start(plain, worker_main="zygote_workers:echo", isolation="none")
        assert zygote.enclosed == {}
        await zygote.stop()

    run(scenario)
