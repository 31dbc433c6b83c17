"""A page in HTML: one file with its style, that loads nothing and runs nothing. Everything is escaped in `_text`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
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

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may do with the page: show it (Content Security Policy)."""


def page_html(page: Page) -> str:
    """The whole document."""
    marks = "".join(_inline(mark) for mark in page.marks)
    lead = f'<p class="lead">{_text(page.lead)}</p>' if page.lead else ""
    ids = [_anchor(section.title) for section in page.sections]
    links = "".join(f'<a href="#{i}">{_text(s.title)}</a>' for i, s in zip(ids, page.sections, strict=True))
    body = "\n".join(_section(i, s.title, s.blocks) for i, s in zip(ids, page.sections, strict=True))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_text(POLICY)}">
<meta name="color-scheme" content="light dark">
<title>{_text(page.title)}</title>
<style>{_style()}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
<h1>{_text(page.title)}</h1>
<p class="marks">{marks}</p>
{lead}
<nav aria-label="Sections">{links}</nav>
</header>
<main id="main">
{body}
</main>
</body>
</html>
"""


@cache
def _style() -> str:
    return files(__package__).joinpath("page.css").read_text("utf-8")


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _section(anchor: str, title: str, blocks: Sequence[Block]) -> str:
    inner = "\n".join(piece for block in blocks for piece in _block(block))
    return f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{_text(title)}</h2>\n{inner}\n</section>'


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(parts):
            yield f"<p>{_cell(parts)}</p>"
        case Facts(rows):
            told = "".join(f"<div><dt>{_text(name)}</dt><dd>{_cell(value)}</dd></div>" for name, value in rows)
            yield f"<dl>{told}</dl>"
        case Table(caption, head, rows):
            yield _table(caption, head, rows)
        case Items(items):
            yield f"<ul>{''.join(f'<li>{_cell(item)}</li>' for item in items)}</ul>"
        case Code(label, text):
            lines = f'<pre tabindex="0"><code>{_text(text)}</code></pre>'
            yield f"<figure><figcaption>{_text(label)}</figcaption>{lines}</figure>"
        case _:
            assert_never(block)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """On a narrow screen each row is a card, whose cells name their columns."""
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    told = "".join(f"<tr>{_row(head, row)}</tr>" for row in rows)
    return f"<table><caption>{_text(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{told}</tbody></table>"


def _row(head: Sequence[str], row: Sequence[Cell]) -> str:
    first, *rest = row
    cells = (
        f'<td data-label="{_text(name)}">{told}</td>' if (told := _cell(cell)) else "<td></td>"
        for name, cell in zip(head[1:], rest, strict=True)
    )
    return f'<th scope="row">{_cell(first)}</th>{"".join(cells)}'


def _cell(cell: Cell) -> str:
    parts = [cell] if isinstance(cell, str | Link | Mono | Mark) else cell
    return "".join(map(_inline, parts))


def _inline(part: Inline) -> str:
    match part:
        case Mono(text):
            return f"<code>{_text(text)}</code>" if text else ""
        case Mark(text, tone):
            return f'<span class="mark {_text(tone)}">{_text(text)}</span>'
        case Link(text, url) if is_safe(url):
            return f'<a href="{_text(url.strip())}" rel="noreferrer">{_text(text)}</a>'
        case Link(text):
            return _text(text)
        case _:
            return _text(part)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
