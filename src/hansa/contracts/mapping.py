"""Translators that are written as JSONata (jsonata.org) in a contract, so that clients without Python can work them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hansa.errors import AuthorError
from hansa.sdk.ports import Record

LIMIT_MS = 1000
"""What the evaluation of one record may take."""
DEPTH_MAX = 100


def is_name(translator: str) -> bool:
    """True for the name of a function of the product; JSONata that makes a record is never a single name."""
    return translator.isidentifier()


def mapping(expression: str) -> Callable[[Any], Any]:
    """What the expression makes of plain values. Raises `AuthorError("translator.jsonata")` where it is none."""
    from jsonata import Jsonata  # only products that map need it
    from jsonata.jexception import JException

    try:
        compiled = Jsonata(expression)
    except JException as failure:
        message = f"{expression!r} is neither a name nor JSONata: {failure}"
        raise AuthorError("translator.jsonata", message, hint="jsonata.org says how it is written.") from failure

    def evaluate(value: Any) -> Any:
        frame = compiled.create_frame()
        frame.set_runtime_bounds(LIMIT_MS, DEPTH_MAX)
        return compiled.evaluate(value, frame)

    return evaluate


def record_mapping(expression: str) -> Callable[[Record], Any]:
    """A translator that maps a record, in the plain values of JSON, to the plain values of another."""
    evaluate = mapping(expression)

    def translate(record: Record) -> Any:
        return evaluate(msgspec.to_builtins(record))

    return translate
