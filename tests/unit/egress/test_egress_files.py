"""File connections: one folder, and no way out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hansa.egress import files as files_module
from hansa.egress.exits import open_exit
from hansa.egress.interface import Call, Exit
from hansa.egress.settings import ConnectionSetting
from hansa.errors import HansaError, OperatorError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("s3cret")
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def inbox(root: Path) -> Exit:
    return open_exit(ConnectionSetting("inbox", "files", "inbox", base=root.parent))


def ask(inbox: Exit, operation: str, *arguments: Any) -> Any:
    call = Call(operation, [*arguments])
    inbox.target(call)
    return inbox.call(call)


def refusal(inbox: Exit, operation: str, *arguments: Any) -> HansaError:
    with pytest.raises(HansaError) as caught:
        ask(inbox, operation, *arguments)
    return caught.value


def test_what_is_written_is_listed_read_and_deleted(inbox: Exit, root: Path) -> None:
    ask(inbox, "write", "day/2.csv", b"two")
    ask(inbox, "write", "day/1.csv", b"first")
    ask(inbox, "write", "day/1.csv", b"one!")
    found = ask(inbox, "list", "")
    assert [(path, size) for path, size, _ in found] == [("day/1.csv", 4), ("day/2.csv", 3)]
    assert found[0][2] == (root / "day/1.csv").stat().st_mtime_ns // 1000
    assert ask(inbox, "list", "day/2.csv") == found[1:]
    assert ask(inbox, "list", "absent") == []
    assert ask(inbox, "read", "day/1.csv", 0, None) == b"one!"
    assert ask(inbox, "read", "day/1.csv", 1, 2) == b"ne"
    ask(inbox, "delete", "day/1.csv")
    ask(inbox, "delete", "day/1.csv")
    assert [path for path, _, _ in ask(inbox, "list", "day")] == ["day/2.csv"]


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/passwd", "day/../../secret.txt", "out/secret.txt", "leak", "a\0"]
)
@pytest.mark.parametrize("operation", ["list", "read", "write", "delete"])
def test_no_path_leaves_the_folder(inbox: Exit, root: Path, path: str, operation: str) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "leak").symlink_to(root.parent / "secret.txt")
    more = {"read": [0, None], "write": [b"x"]}.get(operation, [])
    assert refusal(inbox, operation, path, *more).code == "connection.path_escape"
    assert (root.parent / "secret.txt").read_text() == "s3cret"


def test_links_that_lead_outside_are_not_listed(inbox: Exit, root: Path) -> None:
    (root / "leak").symlink_to(root.parent / "secret.txt")
    (root / "out").symlink_to(root.parent)
    (root / "a").write_text("a")
    assert [path for path, _, _ in ask(inbox, "list", "")] == ["a"]


def test_a_failed_write_leaves_the_file_as_it_was(inbox: Exit, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(inbox, "write", "a", b"before")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert refusal(inbox, "write", "a", b"after").code == "connection.failed"
    assert [item.name for item in root.iterdir()] == ["a"]
    assert (root / "a").read_bytes() == b"before"


def test_what_is_not_there_is_said(inbox: Exit, root: Path) -> None:
    (root / "day").mkdir()
    assert refusal(inbox, "read", "absent", 0, None).code == "connection.not_found"
    assert refusal(inbox, "read", "day", 0, None).code == "connection.not_found"
    assert refusal(inbox, "write", "day", b"x").code == "connection.not_found"


def test_a_file_too_large_for_one_answer_is_read_in_parts(inbox: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "ANSWER_MAX_BYTES", 4)
    ask(inbox, "write", "a", b"12345")
    assert refusal(inbox, "read", "a", 0, None).code == "connection.too_large"
    assert ask(inbox, "read", "a", 0, 4) + ask(inbox, "read", "a", 4, 4) == b"12345"


def test_the_target_is_the_file(inbox: Exit, root: Path) -> None:
    assert inbox.target(Call("read", ["a b.csv", 0, None])) == (root / "a b.csv").as_uri()


def test_a_url_of_another_machine_is_refused() -> None:
    with pytest.raises(OperatorError) as caught:
        open_exit(ConnectionSetting("inbox", "files", "file://host/inbox"))
    assert caught.value.code == "connection.malformed"
