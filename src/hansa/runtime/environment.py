"""A product's own Python requirements, installed once into a folder of their own that its zygote puts on the path.

An environment is named by what determines it: its requirements and the interpreter. It appears complete, by a rename,
or not at all. Only built distributions (wheels) are installed, see `installer`.
"""

from __future__ import annotations

import compileall
import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from hansa.errors import AuthorError, OperatorError
from hansa.runtime.installer import TIMEOUT_S, Installer, install_command

_UNFINISHED: Final = "building-"
_DESCRIPTION: Final = "hansa-environment.json"
_NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\[(<>=!~;@\s])")


@dataclasses.dataclass(frozen=True)
class Environment:
    """Installed requirements. `path` goes to `LibrarySet.path`, `modules` (the import names of what was asked for, not
    of what that needs in turn) to its `preload`."""

    path: Path
    key: str
    modules: tuple[str, ...]


def normalized(requirements: Iterable[str]) -> tuple[str, ...]:
    """The requirements without surrounding space, sorted, each once. Raises `AuthorError` `requirements.invalid` for
    what is no named requirement: an option or a path would let a product steer the installer."""
    found = sorted({requirement.strip() for requirement in requirements})
    for requirement in found:
        if not _NAME.match(requirement) or "\n" in requirement or "@" in requirement.partition(";")[0]:
            raise AuthorError(
                "requirements.invalid",
                f"{requirement!r} is no requirement that can be installed",
                hint="Write a name and a version, as in `polars>=1.5`; options, files and addresses are not accepted.",
            )
    return tuple(found)


def environment_key(requirements: tuple[str, ...], interpreter: str) -> str:
    """64 hexadecimal digits (SHA-256): equal for equal requirements in any order, on one kind of interpreter."""
    text = "\n".join((interpreter, *normalized(requirements)))
    return hashlib.sha256(text.encode()).hexdigest()


def import_names(files: Iterable[str]) -> tuple[str, ...]:
    """The top-level modules among the installed `files` of a distribution, private ones left out."""
    names = set()
    for file in files:
        first, _, rest = file.partition("/")
        if rest and file.endswith((".py", ".so")):
            names.add(first)
        elif not rest and first.endswith((".py", ".so")):
            names.add(first.partition(".")[0])
    return tuple(sorted(name for name in names if name.isidentifier() and not name.startswith("_")))


class EnvironmentBuilder:
    """Keeps environments in `folder`, one per key. Several threads and processes may ask at once."""

    def __init__(self, folder: Path, *, timeout_s: float = TIMEOUT_S, index_arguments: tuple[str, ...] = ()) -> None:
        """`timeout_s` bounds one installation. `index_arguments` are the operator's, for the installer:
        `("--index-url", …)` or `("--find-links", …)`."""
        self._folder = folder
        self._index_arguments = index_arguments
        self._installer = Installer(timeout_s)
        self._ensured: dict[tuple[str, ...], Environment] = {}

    def close(self) -> None:
        """Ends installations that are under way; whoever waits for one gets `requirements.cancelled`."""
        self._installer.close()

    def sweep(self) -> None:
        """Removes what is left of installations that a crash ended. For the one server of the folder, at its start."""
        for unfinished in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def ensured(self, requirements: tuple[str, ...]) -> Environment | None:
        """The environment of `requirements` where this builder has ensured it and it is still there; does not block."""
        known = self._ensured.get(requirements)
        return known if known is not None and known.path.exists() else None

    def ensure(self, requirements: tuple[str, ...], progress: Callable[[str], None]) -> Environment:
        """The environment of `requirements`, built if it is not there; blocks, for as long as an installation takes.
        `progress` gets the installer's lines. Raises `AuthorError` `requirements.invalid` and what `Installer.run`
        raises, `OperatorError` `environment.unwritable`."""
        wanted = normalized(requirements)
        key = environment_key(wanted, _interpreter())
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _locked(self._folder / f"{key}.lock"):
                found = self._known(key) or self._build(key, wanted, progress)
        except OSError as failure:
            raise _unwritable(self._folder, failure) from failure
        self._ensured[requirements] = found
        return found

    def _known(self, key: str) -> Environment | None:
        path = self._folder / key
        if not path.exists():
            return None
        modules = msgspec.json.decode((path / _DESCRIPTION).read_bytes(), type=tuple[str, ...])
        return Environment(path, key, modules)

    def _build(self, key: str, wanted: tuple[str, ...], progress: Callable[[str], None]) -> Environment:
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder))
        try:
            if wanted:
                self._installer.run(install_command(unfinished, wanted, self._index_arguments), wanted, progress)
            progress("compiling")
            compileall.compile_dir(unfinished, quiet=2, force=False, stripdir=unfinished, prependdir=self._folder / key)
            modules = _modules_of(wanted, unfinished)
            (unfinished / _DESCRIPTION).write_bytes(msgspec.json.encode(modules))
            unfinished.chmod(0o755)
            os.sync()  # what the name promises is on the disk before the name is
            unfinished.rename(self._folder / key)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return Environment(self._folder / key, key, modules)


def _interpreter() -> str:
    return f"{sys.implementation.cache_tag}-{os.uname().machine}" if sys.implementation.cache_tag else sys.version


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One holder among all threads and processes; the system gives the lock up when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _modules_of(wanted: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    asked = {_canonical(_name(requirement)) for requirement in wanted}
    found: list[str] = []
    for distribution in importlib.metadata.distributions(path=[str(folder)]):
        if _canonical(distribution.metadata["Name"]) in asked:
            found += import_names(str(file) for file in distribution.files or ())
    return tuple(sorted(set(found)))


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    assert match is not None  # `normalized` has refused others
    return match[1]


def _canonical(name: str) -> str:
    """The same for every spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _unwritable(folder: Path, failure: OSError) -> OperatorError:
    return OperatorError(
        "environment.unwritable",
        f"The environment in {folder} could not be built: {failure}",
        hint="Free space on its disk, or give the user that runs Hansa the right to write there.",
    )
