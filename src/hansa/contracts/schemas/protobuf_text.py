"""The text of a .proto file, parsed strictly. Needs `proto-schema-parser`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hansa.contracts.schemas.library import needed
from hansa.errors import AuthorError

if TYPE_CHECKING:
    from proto_schema_parser import ast


def parse(text: str) -> ast.File:
    """The file as the library's tree; raises `AuthorError("schema.unreadable")` with line and column of what is no
    Protobuf."""
    with needed():
        from proto_schema_parser.parser import Parser

    try:
        file: ast.File = Parser(setup_lexer=_strict, setup_parser=_strict).parse(text)
    except (ValueError, RecursionError) as failure:
        raise AuthorError(
            "schema.unreadable",
            f"The schema is no .proto file: {failure}",
            hint="Give the text that was published last.",
        ) from failure
    return file


def _strict(recogniser: Any) -> None:
    """The library mends what it can and prints the rest; here the first error ends it."""
    from antlr4.error.ErrorListener import ErrorListener

    class Raising(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, *found: Any) -> None:  # noqa: N802  the name is ANTLR's
            _, _, line, column, message, _ = found
            raise ValueError(f"line {line}, column {column}: {message[:120]}")

    recogniser.removeErrorListeners()
    recogniser.addErrorListener(Raising())
