"""A real zygote process: forks, deaths on every side, and what passes between server and worker."""

import ast
import asyncio
import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hansa.errors import OperatorError, Unavailable
from hansa.runtime.zygote import LibrarySet, WorkerProcess, Zygote, zygote_environment
from hansa.runtime.zygote_process import extended_path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zygotes need Linux")

HERE = str(Path(__file__).parent)
LIBRARIES = LibrarySet("test", path=(HERE,))
DEADLINE_S = 20


def run(scenario):
    async def bounded():
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def started(libraries=LIBRARIES):
    zygote = await Zygote.start(libraries, worker_main="zygote_workers:echo")
    try:
        yield zygote
    finally:
        await zygote.stop()


async def receive(worker: WorkerProcess) -> bytes:
    return await asyncio.get_running_loop().sock_recv(worker.sock, 4096)


async def ask(worker: WorkerProcess, message: bytes) -> bytes:
    await asyncio.get_running_loop().sock_sendall(worker.sock, message)
    return await receive(worker)


async def ready_worker(zygote: Zygote) -> WorkerProcess:
    worker = await zygote.fork()
    assert await receive(worker) == b"!"
    return worker


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid: int) -> bool:
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with contextlib.closing(os.fdopen(watch, "rb", buffering=0)):
        return bool(select.select([watch], [], [], 5)[0])


def test_fifty_concurrent_forks_are_fifty_workers():
    async def scenario():
        async with started() as zygote:
            assert zygote.threads == 1
            workers = await asyncio.gather(*(zygote.fork() for _ in range(50)))
            with contextlib.ExitStack() as stack:
                for worker in workers:
                    stack.enter_context(worker)
                assert len({worker.pid for worker in workers}) == 50
                for number, worker in enumerate(workers):
                    assert await receive(worker) == b"!"
                    assert await ask(worker, str(number).encode()) == str(number).encode()

    run(scenario)


def test_ring_and_cells_are_shared_and_cannot_be_shrunk():
    async def scenario():
        async with started() as zygote:
            with await ready_worker(zygote) as worker:
                worker.ring[:5] = b"hansa"
                assert await ask(worker, b"copy") == b"copied"
                half = len(worker.ring) // 2
                assert half == 8 << 20
                assert worker.ring[half : half + 5] == b"HANSA"
                assert struct.unpack("<q", worker.cells[:8]) == (42,)
                assert await ask(worker, b"shrink") == b"sealed"

    run(scenario)


def test_a_worker_has_no_foreign_descriptor_no_secret_and_its_own_randomness(monkeypatch):
    monkeypatch.setenv("HANSA_SECRET", "do not pass")

    async def scenario():
        async with started() as zygote:
            with await ready_worker(zygote) as one, await ready_worker(zygote) as two:
                first = ast.literal_eval((await ask(one, b"describe")).decode())
                second = ast.literal_eval((await ask(two, b"describe")).decode())
        assert first[0] == second[0] == []
        assert "HANSA_SECRET" not in first[1]
        assert first[2] != second[2]

    run(scenario)


@pytest.mark.parametrize(
    ("deed", "status", "words"),
    [
        (b"exit", 7, ""),
        (b"raise", 1, "ValueError: the worker's own mistake"),
        (b"crash", -signal.SIGSEGV, "Fatal Python error: Segmentation fault"),
    ],
)
def test_the_end_of_a_worker_is_told_and_costs_no_other(deed, status, words):
    async def scenario():
        async with started() as zygote:
            with await ready_worker(zygote) as other, await ready_worker(zygote) as worker:
                await asyncio.get_running_loop().sock_sendall(worker.sock, deed)
                assert await worker.wait() == status
                assert words in worker.stderr_tail()
                assert await ask(other, b"alive") == b"alive"

    run(scenario)


def test_kill_is_told_as_its_signal_and_may_be_repeated():
    async def scenario():
        async with started() as zygote:
            with await ready_worker(zygote) as worker:
                worker.kill()
                assert await worker.wait() == -signal.SIGKILL
                worker.kill()

    run(scenario)


def test_a_flood_of_output_keeps_its_last_words_only():
    async def scenario():
        async with started() as zygote:
            with await ready_worker(zygote) as worker:
                assert await ask(worker, b"flood") == b"flooded"
                worker.kill()
                await worker.wait()
                assert worker.stderr_tail().endswith("line 19999\n")
                assert len(worker.stderr_tail()) <= 4096

    run(scenario)


def test_a_killed_zygote_is_noticed_and_takes_its_workers_along():
    async def scenario():
        zygote = await Zygote.start(LIBRARIES, worker_main="zygote_workers:echo")
        with await ready_worker(zygote) as worker:
            os.kill(zygote.pid, signal.SIGKILL)
            assert await zygote.died == -signal.SIGKILL
            assert await worker.wait() == -signal.SIGKILL
            assert not is_running(worker.pid)
            with pytest.raises(Unavailable, match=r"zygote\.died"):
                await zygote.fork()

    run(scenario)


def test_forks_asked_of_a_dying_zygote_are_answered():
    async def scenario():
        zygote = await Zygote.start(LIBRARIES, worker_main="zygote_workers:echo")
        os.kill(zygote.pid, signal.SIGSTOP)
        forks = [asyncio.create_task(zygote.fork()) for _ in range(20)]
        await asyncio.sleep(0)
        os.kill(zygote.pid, signal.SIGKILL)
        ends = await asyncio.gather(*forks, return_exceptions=True)
        assert [type(end) for end in ends] == [Unavailable] * 20

    run(scenario)


def test_a_cancelled_fork_leaves_no_worker():
    async def scenario():
        async with started() as zygote:
            os.kill(zygote.pid, signal.SIGSTOP)
            fork = asyncio.create_task(zygote.fork())
            await asyncio.sleep(0)
            fork.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fork
            os.kill(zygote.pid, signal.SIGCONT)
            with await ready_worker(zygote) as worker:
                children = Path(f"/proc/{zygote.pid}/task/{zygote.pid}/children").read_text().split()
                running = [pid for pid in map(int, children) if pid != worker.pid and not wait_gone(pid)]
                assert running == []

    run(scenario)


def test_workers_die_with_the_server():
    """Also one that does not look at its socket, where it would see the server's end."""
    script = textwrap.dedent(
        """
        import asyncio, sys
        from hansa.runtime.zygote import LibrarySet, Zygote

        async def main():
            zygote = await Zygote.start(LibrarySet("test", path=(sys.argv[1],)), worker_main="zygote_workers:echo")
            worker, loop = await zygote.fork(), asyncio.get_running_loop()
            await loop.sock_recv(worker.sock, 1)
            await loop.sock_sendall(worker.sock, b"sleep")
            await loop.sock_recv(worker.sock, 6)
            print(zygote.pid, worker.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    command = [sys.executable, "-c", script, HERE]
    root = str(Path(sys.modules["hansa"].__file__).parents[1])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}) as server:
        pids = [int(word) for word in server.stdout.readline().split()]
        assert len(pids) == 2
        server.kill()
        assert all(wait_gone(pid) for pid in pids)


def test_preload_reports_what_it_could_not_import_and_what_starts_threads(tmp_path):
    (tmp_path / "threaded_module.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('broken on purpose')\n")
    libraries = LibrarySet(
        "mixed", (HERE, str(tmp_path)), ("json", "no_such_module", "broken_module", "threaded_module")
    )

    async def scenario():
        async with started(libraries) as zygote:
            assert zygote.loaded == ("json",)
            assert set(zygote.failed) == {"no_such_module", "broken_module", "threaded_module"}
            assert "broken on purpose" in zygote.failed["broken_module"]
            assert zygote.threads == 1

    run(scenario)


def test_a_zygote_that_cannot_start_says_why():
    async def scenario():
        with pytest.raises(OperatorError, match=r"zygote\.failed") as caught:
            await Zygote.start(LibrarySet("none"), worker_main="no_such_module:main")
        assert "no_such_module" in caught.value.details["printed"]

    run(scenario)


def test_own_libraries_come_before_installed_ones_and_behind_the_standard_library():
    assert extended_path(["/lib", "/site"], ["/own"], ["/site"]) == ["/lib", "/own", "/site"]
    assert extended_path(["/lib"], ["/own"], ["/site"]) == ["/lib", "/own"]


def test_the_environment_passes_only_what_the_interpreter_needs():
    server = {"TZ": "UTC", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/evil"}
    installed = zygote_environment(server, "/site", "/site")
    assert installed["TZ"] == "UTC"
    assert {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"}.isdisjoint(installed)
    assert zygote_environment(server, "/src", "/site")["PYTHONPATH"] == "/src"


def test_a_process_whose_parent_was_faster_to_die_ends_at_once():
    code = "from hansa.runtime import linux; linux.die_with_parent(linux.os.getpid()); print('alive')"
    root = str(Path(sys.modules["hansa"].__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
