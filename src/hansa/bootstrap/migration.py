"""`hansa migrate`: takes a Hansa that is at rest from its folder to the engines, or from the engines into a folder.

Flow: both sides are opened and locked → each gets a **mark** in its log with the migration's id → bundles, log,
registry are copied, each from where the target stands → both sides are read as a whole, and their digests compared →
the target's mark says that it may be started; the source's stays, so that there are never two.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from hansa.access.pepper import pepper_of
from hansa.blobs.folder import FolderBlobs
from hansa.blobs.interface import Blobs
from hansa.blobs.s3 import S3Blobs
from hansa.bootstrap.folder import make_folder
from hansa.bootstrap.log import open_image
from hansa.bootstrap.place import Place, place_from
from hansa.bootstrap.registry import open_registry
from hansa.errors import OperatorError
from hansa.eventlog.image import MARK_KEY, MARK_SCOPE, Digest, Digests, Image, copy, digests
from hansa.eventlog.interface import Log
from hansa.eventlog.sqlite_image import SqliteImage

if TYPE_CHECKING:
    from hansa.registry.interface import Registry

Direction = Literal["engines", "folder"]
_NEEDED: Final = ("HANSA_LOG", "HANSA_DATABASE", "HANSA_BLOBS", "HANSA_PEPPER")
_FILES: Final = ("connections.yaml", "secrets.yaml")
_TOLD_S: Final = 1.0


class Mark(msgspec.Struct, frozen=True):
    """What the log of one side of a migration says: which migration, which side, what the other side is, and whether
    the target is whole."""

    id: str
    side: Literal["source", "target"]
    other: str
    is_done: bool = False


class Side(NamedTuple):
    """A whole Hansa at rest, and what people call the place where it is."""

    place: str
    log: Image
    registry: Registry
    blobs: Blobs


class Moved(msgspec.Struct, frozen=True):
    """What a migration came to. `moved` names what was compared, with the digest that both sides have; nothing where it
    had ended before. `left` is to be done by people."""

    id: str
    source: str
    target: str
    seconds: float
    moved: dict[str, Digest]
    left: tuple[str, ...] = ()


Told = Callable[[str], None]
"""Told how far it is, in a line."""


def migrate(data: Path, to: Direction, environment: Mapping[str, str], told: Told) -> Moved:
    """Takes the Hansa of the folder `data` to the engines that the environment names, or the other way round; goes on
    where a migration between the same two was interrupted. Raises `OperatorError` (`migration.settings`,
    `migration.pepper`, `migration.busy`, `migration.occupied`, `migration.elsewhere`, `migration.unfinished`,
    `migration.differs`, `store.locked`, what the stores raise) and `InternalError("log.damaged")`."""
    begun_s = time.monotonic()
    with _opened(data, to, environment) as (source, target):
        begun = _begin(source, target)
        moved = {} if begun.is_done else _copied(source, target, told)
        target.log.set_mark(_encode(msgspec.structs.replace(begun, is_done=True)))
        left = tuple(f"copy {data / name} to every node" for name in _FILES if (data / name).exists())
        return Moved(
            begun.id, source.place, target.place, time.monotonic() - begun_s, moved, left if to == "engines" else ()
        )


def abandon(data: Path, to: Direction, environment: Mapping[str, str]) -> str:
    """Lets the source of a migration be started again, whatever became of its target; the place of the source."""
    with _opened(data, to, environment) as (source, _):
        mark = _mark_of(source.log)
        if mark is None or mark.side != "source":
            raise OperatorError(
                "migration.none", f"No migration from {source.place} was begun", hint="It can be started as it is."
            )
        source.log.set_mark(None)
        return source.place


def refuse_moved(log: Log) -> None:
    """Raises `OperatorError` (`migration.elsewhere`, `migration.unfinished`) where this log is not to be used: it has
    moved, or is not whole yet."""
    found = log.get(MARK_SCOPE, MARK_KEY)
    mark = msgspec.json.decode(found, type=Mark) if found else None
    if mark is not None and mark.side == "source":
        raise _elsewhere(mark)
    if mark is not None and not mark.is_done:
        raise _unfinished(mark)


# The two sides


@contextlib.contextmanager
def _opened(data: Path, to: Direction, environment: Mapping[str, str]) -> Iterator[tuple[Side, Side]]:
    """(source, target), for nobody else meanwhile."""
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise OperatorError(
            "migration.settings",
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint=_pepper_hint(data) if missing == ["HANSA_PEPPER"] else "Name the engines as nodes are told of them.",
        )
    if to == "engines" and not (data / "log.db").exists():
        raise OperatorError("migration.settings", f"{data} is not the data folder of a Hansa", hint="Name it: --data")
    if to == "folder" and not (data / "log.db").exists() and data.exists():
        _empty(data)
    with contextlib.ExitStack() as closed:
        folder = _folder(data, environment["HANSA_PEPPER"], closed)
        engines = _engines(data, environment, closed)
        yield (folder, engines) if to == "engines" else (engines, folder)


def _empty(data: Path) -> None:
    if {path.name for path in data.iterdir()} - {"lock"}:
        raise OperatorError("migration.occupied", f"{data} is not empty", hint="Name a folder that does not exist.")


def _folder(data: Path, pepper: str, closed: contextlib.ExitStack) -> Side:
    make_folder(data)
    log = SqliteImage(data)
    closed.callback(log.close)
    _same_pepper(data, pepper_of(pepper))
    registry = open_registry(data, "", _no_clock)
    closed.callback(registry.close)
    return Side(str(data.absolute()), log, registry, FolderBlobs(data / "blobs"))


def _engines(data: Path, environment: Mapping[str, str], closed: contextlib.ExitStack) -> Side:
    place = place_from(environment, "", 0)
    registry = open_registry(data, environment["HANSA_DATABASE"], _no_clock)
    closed.callback(registry.close)
    _at_rest(registry, place)
    log = open_image(place)
    closed.callback(log.close)
    return Side(place.log, log, registry, S3Blobs(environment["HANSA_BLOBS"], data / "copies"))


def _no_clock() -> int:
    return time.time_ns() // 1000


def _at_rest(registry: Registry, place: Place) -> None:
    """To open the log would fence off whoever has it."""
    _, name = place.kafka_log()
    lease = registry.lease(f"log:{name}")
    nodes = [node.id for node in registry.nodes()] or ([lease.holder.partition(" ")[0]] if lease else [])
    if nodes:
        raise OperatorError(
            "migration.busy",
            f"{place.log} is in use by {', '.join(nodes)}",
            hint=f"Stop every node; one that was killed counts as there for {place.session_s:g} s.",
        )


def _same_pepper(data: Path, pepper: bytes) -> None:
    """Tokens are hashed under the pepper, so both sides have one; a new folder gets it."""
    file = data / "pepper"
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(pepper)
            out.flush()
            os.fsync(out.fileno())
    elif file.read_bytes() != pepper:
        raise OperatorError(
            "migration.pepper",
            f"HANSA_PEPPER is not the secret in {file}: no token would work",
            hint=_pepper_hint(data),
        )


def _pepper_hint(data: Path) -> str:
    return f"export HANSA_PEPPER=$(od -An -v -tx1 {data / 'pepper'} | tr -d ' \\n')"


# Marks

_encode: Final = msgspec.json.Encoder().encode


def _mark_of(log: Image) -> Mark | None:
    found = log.marked()
    return msgspec.json.decode(found, type=Mark) if found else None


def _begin(source: Side, target: Side) -> Mark:
    """The mark of the target, of a migration that was begun before or is now."""
    ours, theirs = _mark_of(source.log), _mark_of(target.log)
    if ours is not None and ours.side == "target" and not ours.is_done:
        raise _unfinished(ours)
    if ours is not None and ours.side == "source":
        if ours.other != target.place:
            raise _elsewhere(ours)
        if theirs is not None and theirs.id == ours.id:
            return theirs
    if theirs is not None or not target.log.is_blank() or not target.registry.is_blank():
        raise OperatorError(
            "migration.occupied",
            f"{target.place}, or its database, has another Hansa",
            hint="Name a log and a database that are new, or a folder that is empty.",
        )
    begun = ours if ours is not None and ours.side == "source" else Mark(uuid.uuid4().hex, "source", target.place)
    source.log.set_mark(_encode(begun))
    mark = Mark(begun.id, "target", source.place)
    target.log.set_mark(_encode(mark))
    return mark


def _elsewhere(mark: Mark) -> OperatorError:
    return OperatorError(
        "migration.elsewhere",
        f"This Hansa has moved to {mark.other}, or was about to (migration {mark.id})",
        hint="Start that one. To go on here instead, and drop that one: `hansa migrate … --abandon`.",
    )


def _unfinished(mark: Mark) -> OperatorError:
    return OperatorError(
        "migration.unfinished",
        f"The migration {mark.id} from {mark.other} to here has not ended",
        hint="Run `hansa migrate` again; it goes on where it was interrupted.",
    )


# Copying and comparing


def _copied(source: Side, target: Side, told: Told) -> dict[str, Digest]:
    """What both sides have in the end."""
    copied = 0
    for bundle in source.registry.bundles():
        if not target.blobs.has(bundle):
            target.blobs.put(source.blobs.get(bundle))
            copied += 1
    told(f"bundles: {copied} copied")
    copy(source.log, target.log, _progress("copied", source.log, told))
    if target.registry.is_blank():
        target.registry.take_image(source.registry.image())
    told("registry: copied")
    return _compared(source, target, told)


def _compared(source: Side, target: Side, told: Told) -> dict[str, Digest]:
    """The digests of both sides, which are the same. Raises `OperatorError("migration.differs")`."""
    wanted, there = (_digests(side, told) for side in (source, target))
    differing = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if differing:
        raise OperatorError(
            "migration.differs",
            f"{target.place} is not what {source.place} is, in {', '.join(differing)}",
            hint="Empty the target and migrate again. The source is as it was: `--abandon` lets it be started.",
            details={"differing": differing},
        )
    return wanted


def _digests(side: Side, told: Told) -> dict[str, Digest]:
    found = Digests()
    for table, row in side.registry.image():
        found.add(f"registry {table}", msgspec.msgpack.encode(row))
    for bundle in side.registry.bundles():
        found.add("bundles", bundle.encode(), size_bytes=len(side.blobs.get(bundle)))
    return digests(side.log, _progress(f"read at {side.place}", side.log, told)) | found.made()


def _progress(what: str, log: Image, told: Told) -> Callable[[int], None]:
    """Tells each `_TOLD_S` how far it is."""
    last_s, end = time.monotonic(), log.reached()

    def progress(seq: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TOLD_S or seq == end:
            last_s = time.monotonic()
            told(f"log: {what}, batch {seq:,} of {end:,}")

    return progress
