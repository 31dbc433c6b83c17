"""An installation has a clean environment, a limit in time, and leaves no process behind."""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

import pytest

from hansa.errors import AuthorError, Unavailable
from hansa.runtime.installer import Installer, install_command, installer_environment

CHILD = "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def has_ended(pid: int) -> bool:
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watch], [], [], 5)[0])
    finally:
        os.close(watch)


def test_only_what_leads_to_packages_is_passed() -> None:
    server = {
        "HTTPS_PROXY": "http://proxy",
        "PIP_INDEX_URL": "https://index",
        "UV_INDEX": "https://index",
        "PATH": "/bin",
    }
    secrets = {
        "HANSA_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/evil", "PIP_NO_BINARY": ":all:",
        "PIP_TARGET": "/", "UV_PUBLISH_TOKEN": "x", "LD_PRELOAD": "/evil.so",
    }  # fmt: skip
    assert installer_environment({**server, **secrets}) == {**server, "PYTHONUNBUFFERED": "1"}


def test_the_installer_sees_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANSA_TOKEN", "secret")
    lines: list[str] = []
    Installer().run(python("import os; print(sorted(os.environ)); print('half', end='')"), ["x"], lines.append)
    assert "HANSA_TOKEN" not in lines[0]
    assert "PYTHONPATH" not in lines[0]
    assert lines[1:] == ["half"]


def test_only_wheels_are_asked_for() -> None:
    command = install_command(Path("/target"), ["polars"], ["--no-index"])
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert command[-2:] == ["--", "polars"]


def test_a_failure_carries_the_last_lines() -> None:
    with pytest.raises(AuthorError) as caught:
        Installer().run(python("[print(n) for n in range(100)]; exit(3)"), ["x"], lambda _: None)
    assert caught.value.code == "requirements.failed"
    assert caught.value.details["output"] == [str(n) for n in range(80, 100)]


def test_what_takes_too_long_is_ended_with_all_that_it_started() -> None:
    lines: list[str] = []
    with pytest.raises(AuthorError) as caught:
        Installer(timeout_s=1.0).run(python(CHILD), ["x"], lines.append)
    assert caught.value.code == "requirements.timed_out"
    assert caught.value.details["output"] == lines
    assert has_ended(int(lines[0]))


def test_a_child_that_stays_behind_is_ended() -> None:
    lines: list[str] = []
    left = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"
    Installer().run(python(left), ["x"], lines.append)
    assert has_ended(int(lines[0]))


def test_closing_ends_what_is_under_way() -> None:
    installer, told, ends = Installer(), threading.Event(), []
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        told.set()

    def install() -> None:
        try:
            installer.run(python(CHILD), ["x"], tell)
        except Unavailable as refusal:
            ends.append(refusal.code)

    thread = threading.Thread(target=install)
    thread.start()
    assert told.wait(10)
    installer.close()
    thread.join(10)
    assert ends == ["requirements.cancelled"]
    assert has_ended(int(lines[0]))
    with pytest.raises(Unavailable):
        installer.run(python(CHILD), ["x"], tell)
