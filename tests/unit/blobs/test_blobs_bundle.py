from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.blobs.bundle import hash_of, pack, unpack
from hansa.errors import AuthorError, CallerError, Unavailable

FILES = {
    "product.yaml": b"id: a.b\n",
    "product.py": b"x = 1\n",
    "tests/test_it.py": b"",
    "contracts/a@1.odcs.yaml": b"{}",
}
IGNORED = {
    "__pycache__/product.cpython-311.pyc": b"x",
    "tests/__pycache__/x.pyc": b"x",
    ".venv/bin/python": b"x",
    ".git/HEAD": b"x",
    ".env": b"SECRET=1",
    "stray.pyc": b"x",
}


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_comes_back_without_what_is_ignored(tmp_path: Path) -> None:
    bundle = pack(write(tmp_path / "a", FILES | IGNORED))
    assert bundle.files == tuple(sorted(FILES))
    unpack(bundle.data, tmp_path / "made" / "b")
    assert read(tmp_path / "made" / "b") == FILES
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["b"]


def test_the_bundle_depends_on_names_and_content_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "a", FILES)
    second = write(tmp_path / "b", dict(reversed(FILES.items())) | IGNORED)
    os.utime(second / "product.py", (1, 1))
    (second / "product.py").chmod(0o755)
    assert pack(first) == pack(second)


@pytest.mark.parametrize(
    "changed",
    [
        {"product.py": b"x = 2\n"},
        {"new.py": b""},
        {"tests/test_it.py": b"x"},
    ],
)
def test_any_change_changes_the_hash(tmp_path: Path, changed: dict[str, bytes]) -> None:
    before = pack(write(tmp_path / "a", FILES))
    assert pack(write(tmp_path / "a", changed)).hash != before.hash


def test_moving_content_between_files_changes_the_hash(tmp_path: Path) -> None:
    first = pack(write(tmp_path / "a", {"a": b"1", "b": b"2"}))
    assert pack(write(tmp_path / "b", {"a": b"2", "b": b"1"})).hash != first.hash


def test_a_bundle_that_is_too_large_names_the_largest_files(tmp_path: Path) -> None:
    write(tmp_path, {"small": b"x" * 10, "data/large.csv": b"x" * 100})
    pack(tmp_path, size_max_bytes=110)
    with pytest.raises(AuthorError) as caught:
        pack(tmp_path, size_max_bytes=109)
    assert caught.value.code == "bundle.too_large"
    assert "data/large.csv" in (caught.value.hint or "")
    assert caught.value.details == {"size_bytes": 110, "size_max_bytes": 109}


@pytest.mark.parametrize("target", ["/etc/passwd", "product.py", "missing", "folder"])
def test_a_link_is_refused(tmp_path: Path, target: str) -> None:
    write(tmp_path, {"product.py": b"", "folder/x": b""})
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(AuthorError, match=r"bundle\.irregular"):
        pack(tmp_path)


def test_a_special_file_is_refused_unless_it_is_hidden(tmp_path: Path) -> None:
    write(tmp_path, {"product.py": b""})
    os.mkfifo(tmp_path / ".pipe")
    assert pack(tmp_path).files == ("product.py",)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AuthorError, match=r"bundle\.irregular"):
        pack(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {".hidden": b""})
    with pytest.raises(AuthorError, match=r"bundle\.empty"):
        pack(tmp_path)


def tar_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("/etc/cron.d/x"),
        member("../x"),
        member("a/../../x"),
        member(".."),
        member("."),
        member("x", tarfile.SYMTYPE, "/etc/passwd"),
        member("x", tarfile.LNKTYPE, "product.py"),
        member("x", tarfile.FIFOTYPE),
        member("x", tarfile.CHRTYPE),
        member("x", tarfile.BLKTYPE),
        member("x", tarfile.DIRTYPE),
        member("a/" + "x" * 256),
    ],
    ids=lambda bad: f"{bad.name[:20]}-{bad.type!r}",
)
def test_an_unsafe_member_is_refused_and_nothing_is_written(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(tar_of(member("product.py"), bad), tmp_path / "made")
    assert caught.value.code == "bundle.unsafe"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"not a tar", b"x" * 2048, tar_of(member("a", size=5000))[:1024]])
def test_what_is_no_tar_is_malformed(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(data, tmp_path / "made")
    assert caught.value.code == "bundle.malformed"
    assert list(tmp_path.iterdir()) == []


def with_size(header: tarfile.TarInfo, size: int) -> bytes:
    """A header that claims a size, with a right checksum; negative ones stand in base 256."""
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
    raw[148:156] = b" " * 8
    raw[148:156] = f"{sum(raw):06o}\0 ".encode()
    return bytes(raw)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_negative_size_is_malformed(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(CallerError) as caught:
        unpack(with_size(member("x", kind), -512) + bytes(2048), tmp_path / "made")
    assert caught.value.code == "bundle.malformed"


def test_a_bundle_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    data = tar_of(member("a", size=600), member("b", size=600))
    unpack(data, tmp_path / "enough", size_max_bytes=1200)
    with pytest.raises(CallerError, match=r"bundle\.too_large"):
        unpack(data, tmp_path / "made", size_max_bytes=1199)


def test_a_file_in_the_place_of_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"bundle\.unsafe"):
        unpack(tar_of(member("a"), member("a/b")), tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(Unavailable, match=r"blob\.full"):
        unpack(tar_of(member("a/b")), tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff")).write_bytes(b"")
    with pytest.raises(AuthorError, match=r"bundle\.irregular"):
        pack(tmp_path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuthorError) as caught:
        pack(tmp_path / "missing")
    assert caught.value.code == "bundle.unreadable"
    assert "missing" in caught.value.message


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "made", {"mine": b"1"})
    with pytest.raises(CallerError, match=r"folder\.exists"):
        unpack(tar_of(member("a")), tmp_path / "made")
    assert read(tmp_path) == {"made/mine": b"1"}


@given(data=st.binary(max_size=2000), at=st.integers(0, 3000))
def test_whatever_is_sent_is_unpacked_or_refused_as_such(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("x")
    whole = bytearray(tar_of(member("a", size=700), member("b/c", size=10)))
    whole[at : at + len(data)] = data
    refused: CallerError | None = None
    try:
        unpack(bytes(whole), folder / "made")
    except CallerError as error:
        refused = error
    assert refused is None or refused.code.startswith("bundle.")
    assert list(folder.iterdir()) == ([] if refused else [folder / "made"])


def test_the_hash_of_a_bundle_is_that_of_its_files(tmp_path):
    (tmp_path / "contracts").mkdir()
    (tmp_path / "product.py").write_text("one")
    (tmp_path / "contracts" / "a.yaml").write_text("two")
    bundle = pack(tmp_path)
    assert hash_of(bundle.data) == bundle.hash
    assert hash_of(with_more(bundle.data, ".hidden", "__pycache__/product.pyc", "contracts/.swp")) == bundle.hash
    assert hash_of(with_more(bundle.data, "more.py")) != bundle.hash


def with_more(data, *names):
    """The bundle with empty files beside its own."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as before, tarfile.open(fileobj=made, mode="w") as tar:
        for member in before:
            tar.addfile(member, before.extractfile(member))
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return made.getvalue()
