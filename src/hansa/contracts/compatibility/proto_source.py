"""Protobuf texts as descriptors, by `protoc` itself (of grpcio-tools), in a process of its own.

A schema comes from outside: what makes the compiler crash or hang ends that process and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from hansa.contracts.compatibility.verdict import SchemaText
from hansa.errors import AuthorError, OperatorError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

COMPILE_MAX_S: Final = 30.0
MAIN: Final = "schema.proto"
_OUTPUT: Final = "descriptors.bin"


@dataclass(frozen=True, slots=True)
class ProtoFiles:
    """A schema's own file, and by path every file that it imports, directly or not."""

    main: FileDescriptorProto
    files: Mapping[str, FileDescriptorProto]


def compile_proto(source: SchemaText) -> ProtoFiles:
    """The descriptors of a `.proto` text; its imports are looked for in the references, by their paths.

    Raises `AuthorError("schema.malformed")` with the compiler's words, `OperatorError("library.missing")` where
    grpcio-tools is not installed.
    """
    if find_spec("grpc_tools") is None:
        raise OperatorError(
            "library.missing", "Protobuf needs the package grpcio-tools, which is not installed",
            hint="Install it where the server runs: pip install 'hansa[formats]'.",
        )  # fmt: skip
    with TemporaryDirectory(prefix="hansa-proto-") as scratch:
        folder = Path(scratch)
        for name, text in _texts(source):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        _protoc(folder)
        return _read((folder / _OUTPUT).read_bytes())


def _texts(source: SchemaText) -> Iterator[tuple[str, str]]:
    """Each file with its path, which may not lead out of the folder."""
    for name, text in source.references.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or name == MAIN:
            raise AuthorError(
                "schema.malformed", f"{name!r} is no path of an import", hint="It reads like 'a/b.proto'."
            )
        yield name, text
    yield MAIN, source.text


def _protoc(folder: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *(f"-I{shipped}" for shipped in _shipped())]
    command += ["--include_imports", f"--descriptor_set_out={_OUTPUT}", MAIN]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_MAX_S, check=False)
    except subprocess.TimeoutExpired as failure:
        raise _malformed(f"it takes longer than {COMPILE_MAX_S:g} s to compile") from failure
    if done.returncode != 0:
        raise _malformed(done.stderr.strip().replace("\n", "; ")[:2000] or f"protoc ended with {done.returncode}")


def _shipped() -> Iterator[Path]:
    """Where the files stand that everybody has: google/protobuf, and google/type where it is installed."""
    yield Path(str(find_spec("grpc_tools").origin)).parent / "_proto"  # type: ignore[union-attr]
    types = find_spec("google.type")
    for folder in (types.submodule_search_locations or ()) if types else ():
        yield Path(folder).parents[1]


def _read(body: bytes) -> ProtoFiles:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    files = {one.name: one for one in FileDescriptorSet.FromString(body).file}
    return ProtoFiles(files[MAIN], files)


def _malformed(why: str) -> AuthorError:
    return AuthorError("schema.malformed", f"Not a Protobuf schema: {why}", hint="See protobuf.dev.")
