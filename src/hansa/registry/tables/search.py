"""Search over the terms of live revisions: which there are, what fits, and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hansa.model.ids import did_you_mean
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.database import Connection


class Wanted(NamedTuple):
    """What is searched for. Case does not count."""

    text: str
    tag: str | None
    owner: str | None
    domain: str | None
    state: ProductState | None
    drafts: frozenset[str] | None = None
    """The domains whose drafts may be found; None are all."""


def terms_of(spec: ProductSpec) -> set[tuple[str, str]]:
    """The terms of a product as (kind, text in lower case)."""
    return {(kind, text.lower()) for kind, text in _terms(spec) if text}


def _terms(spec: ProductSpec) -> Iterator[tuple[str, str]]:
    yield from (("id", spec.id), ("name", spec.name), ("description", spec.description), ("owner", spec.owner))
    yield from (("tag", tag) for tag in spec.tags)
    yield from (("port", port.name) for port in spec.outputs)
    for process in spec.processes:
        yield "process", process.name
        yield "use_case", process.use_case or ""
        yield from (("tag", tag) for tag in process.tags)


def set_terms(connection: Connection, spec: ProductSpec) -> None:
    """Makes a product found by what this spec says, and by nothing else."""
    terms = sorted(terms_of(spec))
    connection.execute("DELETE FROM term WHERE product = ?", (spec.id,))
    connection.executemany("INSERT INTO term VALUES (?, ?, ?)", [(spec.id, kind, text) for kind, text in terms])
    connection.execute("UPDATE product SET words = ? WHERE id = ?", ("\n".join(text for _, text in terms), spec.id))


def conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    """The SQL condition on `product p`, and its values."""
    parts: list[tuple[str, list[Any]]] = [("instr(p.words, ?) > 0", [word]) for word in wanted.text.lower().split()]
    for kind, text in (("tag", wanted.tag), ("owner", wanted.owner)):
        if text is not None:
            part = f"p.id IN (SELECT t.product FROM term t WHERE t.kind = '{kind}' AND t.text = ?)"
            parts.append((part, [text.lower()]))
    if wanted.domain is not None:
        parts.append(("p.domain = ?", [wanted.domain]))
    if wanted.state is not None:
        parts.append(("p.state = ?", [wanted.state]))
    if wanted.drafts is not None:
        among = ["", *sorted(wanted.drafts)]  # a list in SQL has an item; no domain is called nothing
        parts.append((f"(p.state <> 'draft' OR p.domain IN ({', '.join('?' * len(among))}))", among))
    return " AND ".join(["TRUE", *(sql for sql, _ in parts)]), [value for _, values in parts for value in values]


def suggest(connection: Connection, wanted: Wanted) -> str | None:
    """What may have been meant, as `Did you mean '…'?`, where a search found nothing."""
    rows = connection.execute("SELECT DISTINCT kind, text FROM term WHERE kind <> 'description'").fetchall()
    domains = [name for (name,) in connection.execute("SELECT name FROM domain")]
    any_word = {word for _, text in rows for word in (text, *text.split())} | {*domains}
    asked = [
        (wanted.tag, {text for kind, text in rows if kind == "tag"}),
        (wanted.owner, {text for kind, text in rows if kind == "owner"}),
        (wanted.domain, {*domains}),
        *((word, any_word) for word in wanted.text.lower().split()),
    ]
    hints = (did_you_mean(value.lower(), names - {value.lower()}) for value, names in asked if value)
    return next((hint for hint in hints if hint), None)
