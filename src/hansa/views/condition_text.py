"""The short text form of conditions, for people at a command line.

    name=OrderPlaced and (source~"A*" or payload.amount>100) and not target=x
    name in (A, B) and payload.note exists

`not` binds tighter than `and`, `and` tighter than `or`. A value without quotes is a number, true, false or null where
it reads like one and the field is not one of plain text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple

import msgspec

from hansa.views.condition import And, Compare, Condition, Not, Op, Or, Scalar, malformed

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<sign>[()]|,|!=|>=|<=|[=><~])|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[^\s()=!<>~,"']+))"""
)
_OPS: Final[dict[str, Op]] = {"=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "~": "like"}
_EXAMPLE: Final = "It reads like: name=OrderPlaced and payload.amount>100"
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_NESTED_MAX: Final = 30


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_text(text: str, text_fields: Collection[str] = ()) -> Condition:
    """The condition that `text` says; values of `text_fields` stay text. Raises `CallerError("query.malformed")`."""
    parser = _Parser(text, text_fields)
    found = parser.alternatives(_NESTED_MAX)
    parser.expect_end()
    return found


def _tokens(text: str) -> list[_Token]:
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise malformed(f"Character {at + 1}, {text[at]!r}, does not belong there: {text!r}", _EXAMPLE, position=at)
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; one method per level of the grammar."""

    def __init__(self, text: str, text_fields: Collection[str]) -> None:
        self._text = text
        self._text_fields = text_fields
        self._tokens = _tokens(text)
        self._at = 0

    def alternatives(self, depth: int) -> Condition:
        if depth == 0:
            raise malformed(f"The condition is nested deeper than {_NESTED_MAX}", "Write it flatter.")
        parts = [self._conjunction(depth)]
        while self._takes("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(parts)

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise self._unexpected("`and`, `or` or the end")

    def _conjunction(self, depth: int) -> Condition:
        parts = [self._term(depth)]
        while self._takes("and"):
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else And(parts)

    def _term(self, depth: int) -> Condition:
        if self._takes("not"):
            if depth == 0:
                raise malformed(f"The condition is nested deeper than {_NESTED_MAX}", "Write it flatter.")
            return Not(self._term(depth - 1))
        if self._takes("("):
            inner = self.alternatives(depth - 1)
            self._expect(")")
            return inner
        return self._test()

    def _test(self) -> Condition:
        field = self._next("word", "a field").text
        if self._takes("exists"):
            return Compare(field, "exists", True)
        if self._takes("in"):
            return Compare(field, "in", self._values(field))
        sign = self._next("sign", "a comparison (= != > >= < <= ~ in exists)")
        if sign.text not in _OPS:
            self._at -= 1
            raise self._unexpected("a comparison (= != > >= < <= ~ in exists)")
        op = _OPS[sign.text]
        return Compare(field, op, self._value(plain=op == "like" or field in self._text_fields))

    def _values(self, field: str) -> list[Scalar]:
        self._expect("(")
        found = [self._value(plain=field in self._text_fields)]
        while self._takes(","):
            found.append(self._value(plain=field in self._text_fields))
        self._expect(")")
        return found

    def _value(self, *, plain: bool) -> Scalar:
        token = self._peek()
        if token is None or token.kind == "sign":
            raise self._unexpected("a value")
        self._at += 1
        if token.kind == "quoted":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        return token.text if plain and token.text != "null" else _literal(token.text)

    # Tokens

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _takes(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind == "quoted" or token.text.lower() != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._unexpected(f"{text!r}")

    def _next(self, kind: str, wanted: str) -> _Token:
        token = self._peek()
        if token is None or token.kind != kind:
            raise self._unexpected(wanted)
        self._at += 1
        return token

    def _unexpected(self, wanted: str) -> Exception:
        token = self._peek()
        what = f"{token.text!r} at character {token.at + 1}" if token else "the end"
        at = token.at if token else len(self._text)
        return malformed(f"Expected {wanted}, found {what}: {self._text!r}", _EXAMPLE, position=at)


def _literal(text: str) -> Any:
    if text in ("true", "false", "null") or _NUMBER.fullmatch(text):
        return msgspec.json.decode(text)
    return text
