"""Each denial seen in a process that isolated itself, and that what authors need still works there."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import hansa
from hansa.runtime.isolation import IsolationReport, Step, interpreter_paths
from hansa.runtime.isolation_probe import probe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are isolated on Linux")

PROLOGUE = """
import os, sys
from hansa.runtime.isolation import IsolationPolicy, apply
scratch, readable, foreign = sys.argv[1:]
policy = IsolationPolicy(read_paths=(readable,), write_paths=(scratch,), memory_max_bytes=2 << 30, open_files_max=64)
"""


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / name for name in ("scratch", "readable", "foreign")]
    for folder in made:
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    return made


def run(folders, code, *, before="apply(policy)"):
    """What `code` printed, run in an isolated process; its last line of errors where it failed."""
    root = str(Path(hansa.__file__).parents[1])
    script = PROLOGUE + before + "\n" + textwrap.dedent(code)
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script, *map(str, folders)],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "2"},
        timeout=30,
        check=False,
    )
    return ended.stdout.strip() if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["?"])[-1]


REFUSED = {
    "socket": "import socket; socket.socket()",
    "datagram pair": "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "fork": "os._exit(0) if os.fork() == 0 else None",
    "subprocess": "import subprocess; subprocess.run(['/bin/true'])",
    "exec": "os.execv('/bin/true', ['true'])",
    "passwd": "open('/etc/passwd')",
    "list root": "os.listdir('/')",
    "foreign file": "open(foreign + '/file')",
    "foreign folder": "os.listdir(foreign)",
    "write readable": "open(readable + '/file', 'w')",
    "make in readable": "os.mkdir(readable + '/new')",
    "remove readable": "os.remove(readable + '/file')",
    "move out": "os.rename(scratch + '/file', foreign + '/moved')",
    "truncate foreign": "os.truncate(foreign + '/file', 0)",
    "read through link": "os.symlink(foreign + '/file', scratch + '/link'); open(scratch + '/link')",
    "mode": "os.chmod(foreign + '/file', 0o666)",
    "owner": "os.chown(foreign + '/file', 1, 1)",
    "time": "os.utime(foreign + '/file')",
    "signal": "os.kill(os.getppid(), 0)",
    "priority of the parent": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 5)",
    "parent's environment": "open(f'/proc/{os.getppid()}/environ')",
    "outlive the server": "from hansa.runtime import linux; linux.prctl(linux.PR_SET_PDEATHSIG, 0)",
    "chroot": "os.chroot(scratch)",
    "user": "os.setuid(12345)" if os.geteuid() == 0 else "os.setuid(0)",
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_a_forbidden_act_is_refused(folders, act):
    assert run(folders, act).startswith("PermissionError")


def test_a_foreign_file_cannot_be_linked_into_the_scratch_folder(folders):
    """Landlock answers as between two disks (EXDEV), so that programs which move a file copy it instead."""
    assert run(folders, "os.link(foreign + '/file', scratch + '/linked')").startswith("OSError: [Errno 18]")
    assert not (folders[0] / "linked").exists()


@pytest.mark.parametrize("act", ["socket", "fork", "passwd", "foreign file", "mode", "signal"])
def test_the_same_act_is_possible_without_isolation(folders, act):
    """What makes the denials above mean something."""
    assert run(folders, REFUSED[act], before="") == ""


def test_too_much_memory_is_a_memory_error(folders):
    assert run(folders, "bytearray(8 << 30)") == "MemoryError"
    assert run(folders, "print(len(bytearray(64 << 20)))") == str(64 << 20)


def test_open_files_are_limited(folders):
    code = """
    opened = []
    try:
        while len(opened) < 1000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        print(len(opened) < 64)
    """
    assert run(folders, code) == "True"


PERMITTED = {
    "own files": "print(open(readable + '/file').read())",
    "temporary file": """
        import tempfile
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        print(tempfile.gettempdir() == scratch and "readable")
    """,
    "threads": """
        import concurrent.futures
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            print(set(pool.map(lambda _: "readable", range(64))).pop())
    """,
    "event loop": "import asyncio; print(asyncio.run(asyncio.sleep(0, 'readable')))",
    "time zones": """
        import datetime, zoneinfo
        noon = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
        print("readable" if noon.utcoffset().seconds == 7200 else noon)
    """,
    "late imports": """
        import decimal, hashlib, lzma, secrets, ssl, uuid, xml.etree.ElementTree
        uuid.uuid4(); secrets.token_hex()
        print("readable")
    """,
    "abort of itself": """
        import signal
        signal.signal(signal.SIGUSR1, lambda *_: print("readable"))
        signal.raise_signal(signal.SIGUSR1)
    """,
    "devices": "open('/dev/null', 'w').write('x'); open('/dev/urandom', 'rb').read(1); print('readable')",
}


@pytest.mark.parametrize("act", PERMITTED.values(), ids=PERMITTED)
def test_what_authors_need_works(folders, act):
    assert run(folders, act) == "readable"


def test_a_listed_database_can_be_read_while_it_is_in_wal_mode(folders):
    import sqlite3

    path = folders[1] / "view.sqlite"
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE t AS SELECT 'readable' AS value")
        writer.commit()
        code = """
        import sqlite3
        reader = sqlite3.connect(f"file:{readable}/view.sqlite?mode=ro", uri=True)
        print(reader.execute("SELECT value FROM t").fetchone()[0])
        """
        found = run(folders, code)
    writer.close()
    assert found == "readable"


LIBRARIES = {
    "numpy": "import numpy; assert (numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum() > 0",
    "pandas": "import pandas; assert pandas.DataFrame({'a': [1, 1]}).groupby('a').size()[1] == 2",
    "pyarrow": "import pyarrow; assert pyarrow.table({'a': [1, 1]}).group_by('a').aggregate([]).num_rows == 1",
    "duckdb": "import duckdb; assert duckdb.connect().execute('select sum(i) from range(5) r(i)').fetchone() == (10,)",
    "polars": "import polars; assert polars.DataFrame({'a': [1, 1]}).sum()['a'][0] == 2",
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_work_in_isolation(folders, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    before = "policy = __import__('dataclasses').replace(policy, memory_max_bytes=16 << 30)\napply(policy)"
    assert run(folders, LIBRARIES[library] + "\nprint('done')", before=before) == "done"


def test_every_step_is_in_force_and_said(folders):
    found = run(folders, "print(sorted(report.as_dict()), report.missing)", before="report = apply(policy)")
    assert found == "['calls', 'capabilities', 'files', 'inspection', 'limits', 'privileges'] ()"


def test_no_capability_and_no_dump_is_left(folders):
    code = """
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    print(int(status["CapEff"], 16), int(status["CapPrm"], 16), status["NoNewPrivs"], status["Seccomp"])
    """
    assert run(folders, code) == "0 0 1 2"


def test_isolation_is_refused_when_threads_run(folders):
    before = (
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\napply(policy)"
    )
    assert "isolation.too_late" in run(folders, "", before=before)


def test_a_missing_step_fails_closed(folders):
    """A process that may not install another filter stands for a kernel without seccomp."""
    no_filters = """
from dataclasses import replace
from hansa.runtime import linux, seccomp
no_filter = seccomp.Condition(0, (linux.PR_SET_SECCOMP,), negated=True)
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
seccomp.load(seccomp.program(os.uname().machine, (seccomp.Rule("prctl", (no_filter,)),)))
"""
    assert "isolation.unavailable" in run(folders, "", before=no_filters + "apply(policy)")
    best = no_filters + "report = apply(replace(policy, required=False))"
    assert run(folders, "print([step.name for step in report.missing])", before=best) == "['calls']"


def test_the_probe_sees_every_denial():
    found = probe()
    assert len(found) == 11
    assert [guarantee for guarantee in found if not guarantee.in_force] == []


def test_a_report_names_what_is_missing():
    report = IsolationReport((Step("files", True, "Landlock 7"), Step("calls", False, "no filter")))
    assert report.as_dict() == {"files": "Landlock 7", "calls": "unavailable: no filter"}
    assert [step.name for step in report.missing] == ["calls"]


def test_the_current_folder_is_no_place_of_modules():
    assert "" not in interpreter_paths(["", "/modules"])
    assert "/modules" in interpreter_paths(["", "/modules"])
