"""What a page is made of: plain text in blocks. Nothing here is markup; whoever writes it escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads to `url`."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Mono:
    """Text that is code: a name, a type, a value."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A word that stands out. `tone` says how: good, warn, bad or calm."""

    text: str
    tone: str = "calm"


Inline: TypeAlias = "str | Link | Mono | Mark"
Cell: TypeAlias = "Inline | Sequence[Inline]"


@dataclass(frozen=True, slots=True)
class Paragraph:
    parts: Sequence[Inline]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """`caption` says to those who do not see it what it holds. The first column names its row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Items:
    items: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to copy; `label` says in which language."""

    label: str
    text: str


Block: TypeAlias = "Paragraph | Facts | Table | Items | Code"


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """`marks` stand beside the title, `lead` below it."""

    title: str
    marks: Sequence[Mark]
    lead: str
    sections: Sequence[Section]
