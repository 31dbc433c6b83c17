"""A page in Markdown (CommonMark, with tables). Text is escaped, so that it stays text wherever it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from hansa.contracts.page.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Inline,
    Items,
    Link,
    Mark,
    Mono,
    Page,
    Paragraph,
    Table,
)
from hansa.contracts.page.links import is_safe

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#!|~&])")
_SPACE: Final = re.compile(r"\s+")
_AT_START: Final = re.compile(r"(\s*)(?=[-+=])|(\s*\d+)(?=[.)])")


def markdown(page: Page) -> str:
    """The whole page."""
    marks = " · ".join(_text(mark.text) for mark in page.marks)
    head = [f"# {_text(page.title)}", "", marks, *(["", _line(page.lead)] if page.lead else [])]
    return (
        "\n".join([*head, *(line for section in page.sections for line in _section(section.title, section.blocks))])
        + "\n"
    )


def _section(title: str, blocks: Sequence[Block]) -> Iterator[str]:
    yield from ("", f"## {_text(title)}")
    for block in blocks:
        yield ""
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(parts):
            yield _line(parts)
        case Facts(rows):
            yield from (f"- **{_text(name)}**: {_cell(value)}" for name, value in rows)
        case Table(_, head, rows):
            yield f"| {' | '.join(map(_text, head))} |"
            yield f"|{'---|' * len(head)}"
            yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
        case Items(items):
            yield from (f"- {_line(item)}" for item in items)
        case Code(label, text):
            fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=2) + 1 if "```" in text else 3)
            yield from (f"{_text(label)}:", "", fence, text, fence)
        case _:
            assert_never(block)


def _cell(cell: Cell) -> str:
    parts = [cell] if isinstance(cell, str | Link | Mono | Mark) else cell
    told = (f"**{_text(part.text)}** " if isinstance(part, Mark) else _inline(part) for part in parts)
    return " ".join("".join(told).split())


def _inline(part: Inline) -> str:
    match part:
        case Mono(text):
            return _mono(text)
        case Link(text, url) if is_safe(url):
            return f"[{_text(text)}](<{url.replace('<', '%3C').replace('>', '%3E')}>)"
        case Link(text) | Mark(text):
            return _text(text)
        case _:
            return _text(part)


def _mono(text: str) -> str:
    """Code in as many backticks as it takes; a bar would end the cell of a table."""
    flat = " ".join(text.split()).replace("|", "\\|")
    if not flat:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    space = " " if "`" in flat else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", text))


def _line(cell: Cell) -> str:
    """A cell that begins a line: nothing in it begins a list or a heading."""
    told = _cell(cell)
    begin = _AT_START.match(told)
    return f"{begin[0]}\\{told[begin.end() :]}" if begin else told
