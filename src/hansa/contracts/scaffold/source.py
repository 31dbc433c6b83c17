"""Which reader a source takes, told by its name and what stands in it."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from hansa.contracts.document import parse_document
from hansa.contracts.scaffold import arrow, avro, dbt, json_schema, protobuf, python_type, sample
from hansa.contracts.scaffold.draft import Draft, unreadable
from hansa.contracts.schemas.library import needed

ROWS_MAX: Final = 10_000
"""How many records of a sample are looked at."""
SIZE_MAX_BYTES: Final = 256 * 1024 * 1024
_DELIMITERS: Final = ",;\t|"


STREAM: Final = "-"


def read_source(source: str, name: str | None = None, stream: BinaryIO | None = None) -> Draft:
    """The draft of a file, of a Python type given as `package.module:Type` or `file.py:Type`, or with `-` of a `stream`
    of JSON objects, one on a line, of which no more is taken than is looked at. `name` chooses among several schemas,
    messages or models.

    Imports the module of a Python type, and so runs its code. Raises `AuthorError`: `source.unreadable`,
    `schema.unreadable`, `schema.recursive`.
    """
    if source == STREAM and stream is not None:
        return _streamed(stream)
    module, separator, kind = source.rpartition(":")
    if separator and kind.isidentifier() and not Path(source).exists():
        return python_type.read(_python_type(module, kind))
    path = Path(source)
    if not path.is_file():
        raise unreadable(source, "there is no such file", "Give a file, or a type as 'package.module:Type'.")
    if path.stat().st_size > SIZE_MAX_BYTES and path.suffix.lower() != ".parquet":
        raise unreadable(source, f"it is larger than {SIZE_MAX_BYTES} bytes", "Give a part of it.")
    found = _READERS.get(path.suffix.lower())
    if found is None:
        raise unreadable(source, f"{path.suffix or 'its name'} tells no format", f"Known are {', '.join(_READERS)}.")
    try:
        return found(path, name)
    except (UnicodeDecodeError, msgspec.DecodeError, csv.Error) as failure:
        raise unreadable(source, str(failure), "Check that the file is what its name says.") from failure
    except (KeyError, TypeError, AttributeError) as failure:
        raise unreadable(
            source, f"a part is missing or wrong: {failure!r}", "Check it with its own tools."
        ) from failure


def _python_type(module: str, name: str) -> type[Any]:
    try:
        found = getattr(_module(module), name)
    except (ImportError, AttributeError, OSError) as failure:
        raise unreadable(f"{module}:{name}", str(failure), "It reads like 'package.module:Type'.") from failure
    if not isinstance(found, type):
        raise unreadable(f"{module}:{name}", "it is no type", "Give a dataclass, a msgspec.Struct or a TypedDict.")
    return found


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _csv(path: Path, _: str | None) -> Draft:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(_DELIMITERS, key=first.count), restkey="")
        rows = [{name: value for name, value in row.items() if name} for row in islice(reader, ROWS_MAX)]
    return _sampled(path, rows, is_text=True)


def _ndjson(path: Path, _: str | None) -> Draft:
    with path.open("rb") as file:
        return _sampled(path, _rows(file))


def _streamed(stream: BinaryIO) -> Draft:
    try:
        return _sampled(Path("stream"), _rows(stream))
    except (UnicodeDecodeError, msgspec.DecodeError) as failure:
        raise unreadable("the stream", str(failure), "Give JSON objects, one on a line.") from failure


def _rows(lines: BinaryIO) -> list[Any]:
    return [msgspec.json.decode(line) for line in islice(filter(bytes.strip, lines), ROWS_MAX)]


def _json(path: Path, name: str | None) -> Draft:
    return _document(path, msgspec.json.decode(path.read_bytes()), name)


def _yaml(path: Path, name: str | None) -> Draft:
    return _document(path, parse_document(path.read_text("utf-8"), path.name).data, name)


def _document(path: Path, data: Any, name: str | None) -> Draft:
    """A JSON document says itself what it is; what says nothing is a sample."""
    if isinstance(data, dict):
        if "nodes" in data and "metadata" in data:
            return dbt.read(data, name)
        if "openapi" in data or "swagger" in data or "$schema" in data or "properties" in data:
            return json_schema.read(data, name)
        if data.get("type") == "record" and "fields" in data:
            return avro.read(data)
    return _sampled(path, data[:ROWS_MAX] if isinstance(data, list) else [data])


def _sampled(path: Path, rows: list[Any], *, is_text: bool = False) -> Draft:
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise unreadable(str(path), "it has no records", "Give objects, one for each record.")
    return sample.read(path.stem, rows, is_text=is_text)


def _avro(path: Path, _: str | None) -> Draft:
    return avro.read(msgspec.json.decode(path.read_bytes()))


def _proto(path: Path, name: str | None) -> Draft:
    return protobuf.read(path.read_text("utf-8"), name)


def _parquet(path: Path, _: str | None) -> Draft:
    with needed():
        import pyarrow as pa
        import pyarrow.parquet

    try:
        return arrow.read(path.stem, pa.parquet.read_schema(path))
    except pa.ArrowException as failure:
        raise unreadable(str(path), str(failure), "Check that the file is what its name says.") from failure


_READERS: Final[dict[str, Callable[[Path, str | None], Draft]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".ndjson": _ndjson,
    ".jsonl": _ndjson,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".avsc": _avro,
    ".proto": _proto,
    ".parquet": _parquet,
}
