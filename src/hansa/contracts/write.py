"""A document out: the YAML or JSON of plain data, which reads as the same data in Hansa and in others' tools.

Many tools still read YAML 1.1, where `NO` is false, `1.10` a number, `12:30` one too and `2013-01-01` a date. Text
that either version could take for something else stands in quotes.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

import msgspec

_WORDS: Final = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "~", "=", "<<", ""])
_NUMBER_LIKE: Final = re.compile(r"[-+.]?[\d.]")
_WIDTH: Final = 1_000_000


def yaml_text(data: dict[str, Any]) -> str:
    """The document as YAML, its keys in their order; text of several lines stands as a block."""
    written = io.StringIO()
    _writer().dump(data, written)
    return written.getvalue()


def json_text(data: dict[str, Any]) -> str:
    """The document as JSON, indented by two."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"


def _writer() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        """Plain data, with quotes where a reader of YAML 1.1 needs them, and never an alias."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    Representer.add_representer(str, _text)
    Representer.add_representer(float, _number)
    writer: Any = YAML(typ="safe", pure=True)
    writer.Representer = Representer
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    return writer


def _number(representer: Any, number: float) -> Any:
    """With a point always: `1e-07` is text in YAML 1.1."""
    mantissa, sign, exponent = repr(number).partition("e")
    shown = f"{mantissa if '.' in mantissa else f'{mantissa}.0'}{sign}{exponent}"
    return representer.represent_scalar("tag:yaml.org,2002:float", shown)


def _text(representer: Any, text: str) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    """`|` for lines, `"` for what could be something else, None for what the writer may choose."""
    if text.lower() in _WORDS or _NUMBER_LIKE.match(text) or (not text.isprintable() and "\n" not in text):
        return '"'
    return "|" if "\n" in text and all(line.isprintable() for line in text.split("\n")) and text.strip() else None
