"""A product's folder as one file, and back.

The tar holds regular files only, sorted, without times, owners or modes; so it depends on names and content alone. Left
out are caches and what is hidden: `__pycache__`, `*.pyc`, `venv`, and every name that begins with a dot.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from hansa.blobs.disk import translated
from hansa.errors import AuthorError, CallerError

SIZE_MAX_BYTES: Final = 50 * 1024 * 1024
"""What the files of a bundle may hold together."""

_MAKE_IT: Final = "A bundle holds regular files with relative names; `hansa deploy` makes it so."
_IGNORED: Final = frozenset({"__pycache__", "venv", "node_modules"})


class Bundle(NamedTuple):
    """`hash` is over the names and content of `files`, which are relative, with `/`, sorted; `data` is the tar."""

    data: bytes
    hash: str
    files: tuple[str, ...]


def pack(folder: Path, *, size_max_bytes: int = SIZE_MAX_BYTES) -> Bundle:
    """The bundle of a folder. Raises `AuthorError`: `bundle.empty`, `bundle.too_large` naming the largest files,
    `bundle.irregular` for a link or whatever else is neither file nor folder, `bundle.unreadable`."""
    try:
        contents = _read_all(folder, size_max_bytes)
    except OSError as failure:
        message = f"{failure.filename or folder}: {failure.strerror or failure}"
        raise AuthorError("bundle.unreadable", message, hint="Name a product folder that can be read.") from failure
    return Bundle(_tar(contents), _content_hash(contents), tuple(name for name, _ in contents))


def unpack(data: bytes, folder: Path, *, size_max_bytes: int = SIZE_MAX_BYTES) -> None:
    """Writes the files of a bundle to `folder`, which must not exist; it appears whole or not at all. It is a working
    copy: its files are not forced to the disk, so unpack again after the machine went down.

    Whoever made the tar is not trusted. Raises `CallerError`: `bundle.malformed`, `bundle.unsafe` for absolute paths,
    `..`, links and devices, `bundle.too_large`, `folder.exists`; and `blob.full` or `blob.failed` as `Blobs.put` does.
    """
    contents = _contents(data, size_max_bytes)
    if folder.exists():
        raise CallerError("folder.exists", f"{folder} exists already", hint="Unpack into a folder that does not exist.")
    with translated(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
        try:
            _write_all(part, contents)
            part.chmod(0o755)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def hash_of(data: bytes, *, size_max_bytes: int = SIZE_MAX_BYTES) -> str:
    """The hash of a bundle's files, as `pack` gives it; what `pack` would leave out does not count. Raises as `unpack`
    does for what cannot be read."""
    contents = _contents(data, size_max_bytes)
    kept = [name for name in contents if not any(map(_is_ignored, name.split("/")))]
    return _content_hash((name, contents[name]) for name in sorted(kept))


def _read_all(folder: Path, size_max_bytes: int) -> list[tuple[str, bytes]]:
    """(name, content) of each file, by name."""
    paths = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    if not paths:
        raise AuthorError("bundle.empty", f"{folder} has no files", hint="`hansa new` makes a product folder.")
    _check_sizes(folder, {name: path.stat().st_size for name, path in paths.items()}, size_max_bytes)
    return [(name, paths[name].read_bytes()) for name in sorted(paths)]


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if _is_ignored(entry.name):
                continue
            if not _is_utf8(entry.name) or entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise AuthorError(
                    "bundle.irregular",
                    f"{path!r} is a link or a special file, or its name is not UTF-8",
                    hint="A bundle holds files and folders only: put a copy there, or begin its name with a dot.",
                )
            if entry.is_dir():
                yield from _files(path)
            else:
                yield path


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED or name.endswith(".pyc")


def _check_sizes(folder: Path, sizes: dict[str, int], size_max_bytes: int) -> None:
    total = sum(sizes.values())
    if total <= size_max_bytes:
        return
    largest = ", ".join(f"{name} ({_mib(sizes[name])})" for name in sorted(sizes, key=lambda name: -sizes[name])[:3])
    raise AuthorError(
        "bundle.too_large",
        f"{folder} holds {_mib(total)}; a bundle may hold {_mib(size_max_bytes)}",
        hint=f"The largest files are {largest}. Read data through a connection instead of shipping it.",
        details={"size_bytes": total, "size_max_bytes": size_max_bytes},
    )


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


def _content_hash(contents: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over (length of the name, name, SHA-256 of the content) of each file: no tar format is part of it."""
    digest = hashlib.sha256()
    for name, content in contents:
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _tar(contents: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in contents:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class _Member(tarfile.TarInfo):
    """Refuses a negative size, with which older versions of `tarfile` read in circles (CVE-2025-8194)."""

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError(f"a member has the size {count}")
        return -(-count // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _contents(data: bytes, size_max_bytes: int) -> dict[str, bytes]:
    """The files of a tar, each checked before the first is written."""
    contents: dict[str, bytes] = {}
    total = 0
    with _readable(data) as tar:
        for member in tar:
            _check_member(member)
            total += member.size
            if total > size_max_bytes:
                raise CallerError(
                    "bundle.too_large", f"The bundle holds more than {_mib(size_max_bytes)}", hint=_MAKE_IT
                )
            file = tar.extractfile(member)
            contents[PurePosixPath(member.name).as_posix()] = file.read() if file else b""
    _check_folders(contents)
    return contents


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", tarinfo=_Member) as tar:
            yield tar
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as failure:
        raise CallerError("bundle.malformed", f"The bundle cannot be read: {failure}", hint=_MAKE_IT) from failure


def _check_member(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in member.name
    if not member.isreg() or not inside or any(len(part.encode(errors="replace")) > 255 for part in path.parts):
        raise _unsafe(member.name)


def _check_folders(names: Collection[str]) -> None:
    """No name is both a file and a folder."""
    for name in names:
        if any(parent.as_posix() in names for parent in PurePosixPath(name).parents):
            raise _unsafe(name)


def _unsafe(name: str) -> CallerError:
    return CallerError("bundle.unsafe", f"The bundle has {name!r}, which cannot be a file within it", hint=_MAKE_IT)


def _write_all(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
