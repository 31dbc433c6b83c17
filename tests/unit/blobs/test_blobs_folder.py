from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hansa.blobs.folder import FolderBlobs
from hansa.errors import OperatorError, Unavailable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    blobs = FolderBlobs(tmp_path / "a" / "blobs")
    for name in ("../secret", str(secret)):
        assert (tmp_path / "a" / "blobs" / name[:2] / name).is_file()
        assert not blobs.has(name)


@pytest.mark.parametrize(
    ("number", "family", "code"),
    [
        (errno.ENOSPC, Unavailable, "blob.full"),
        (errno.EDQUOT, Unavailable, "blob.full"),
        (errno.EIO, OperatorError, "blob.failed"),
    ],
)
def test_a_disk_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, family: type[OperatorError], code: str
) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    blobs = FolderBlobs(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(family) as caught:
            blobs.put(b"one")
    assert caught.value.code == code
    assert names(tmp_path) == []


def test_a_blob_is_on_disk_before_it_has_its_name_and_the_name_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noted(step: str, call: Callable[..., None]) -> Callable[..., None]:
        def wrapper(*arguments: object) -> None:
            is_folder = isinstance(arguments[0], int) and os.path.isdir(f"/proc/self/fd/{arguments[0]}")
            steps.append("sync folder" if is_folder else step)
            call(*arguments)

        return wrapper

    blobs = FolderBlobs(tmp_path)
    monkeypatch.setattr(os, "fsync", noted("sync", os.fsync))
    monkeypatch.setattr(os, "replace", noted("rename", os.replace))
    blobs.put(b"one")
    assert steps == ["sync", "rename", "sync folder", "sync folder"]
