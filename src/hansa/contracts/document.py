"""A YAML file, read strictly: YAML 1.2, one document, no duplicate keys, no anchors, no tabs, at most 1 MiB, and every
value's line is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from hansa.sdk.finding import Finding, plan_error

SIZE_MAX_BYTES: Final = 1 << 20
DEPTH_MAX: Final = 64
NUMBER_MIN: Final = -(2**63)
NUMBER_MAX: Final = 2**64 - 1
_TAG: Final = "tag:yaml.org,2002:"
_PROBLEMS: Final = {
    "expected a single document": Finding(
        "yaml.many_documents",
        "The file holds more than one document",
        "Keep one document in a file; each further one begins at a line '---'.",
    ),
    "undefined alias": Finding(
        "yaml.anchor",
        "An alias has no anchor, and neither is allowed",
        "Write the value where it is meant; text that begins with '*' stands in quotes.",
    ),
    "'\\t' that cannot start any token": Finding(
        "yaml.tab", "A tab stands where the indentation is", "Indent with spaces."
    ),
    "maximum depth": Finding("yaml.syntax", f"Nested deeper than {DEPTH_MAX}", "Nest it less."),
}
"""What the parser says in its problem, and how it is told."""

Place: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is plain: dicts, lists, text, numbers, booleans, None; times stay text. `file` is what findings call
    it; `written` has each value that is no text as it stands in the file (`1.10` for 1.1)."""

    file: str
    data: dict[str, Any]
    lines: dict[Place, int]
    written: dict[Place, str] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of a value, or of the nearest thing around it."""
        return next((self.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in self.lines), 0)


def read_document(path: Path, file: str | None = None) -> Document:
    """The document in a file. Raises `PlanError` with one finding, file and line named: `file.missing` or
    `yaml.syntax`, `too_large`, `many_documents`, `duplicate_key`, `anchor`, `tab`, `number`, `not_mapping`."""
    file = file or path.name
    try:
        _check_size(path.stat().st_size, file)
        return parse_document(path.read_text("utf-8"), file)
    except FileNotFoundError as failure:
        raise _refusal("file.missing", f"There is no {file}", "Write it, or start with 'hansa new'.", file) from failure
    except UnicodeDecodeError as failure:
        raise _refusal("yaml.syntax", f"The file is not UTF-8: {failure.reason}", None, file) from failure


def parse_document(text: str, file: str) -> Document:
    """The document in `text`; raises as `read_document` does."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    _check_size(len(text), file)
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = DEPTH_MAX + 1
    try:
        root = reader.compose(text)
    except MarkedYAMLError as failure:
        raise _unread(failure, file) from failure
    except (YAMLError, RecursionError) as failure:
        raise _refusal("yaml.syntax", f"Not YAML: {failure}", None, file) from failure
    builder = _Builder(reader.constructor, file)
    data = builder.value(root, ()) if root is not None else {}
    if not isinstance(data, dict):
        raise _refusal("yaml.not_mapping", "The file is not a mapping", "It begins with 'apiVersion: …'.", file, 1)
    return Document(file, data, builder.lines, builder.written)


def _check_size(size: int, file: str) -> None:
    if size > SIZE_MAX_BYTES:
        message = f"The file has {size} bytes; at most {SIZE_MAX_BYTES} are read"
        raise _refusal("yaml.too_large", message, "Split it.", file)


def _unread(failure: Any, file: str) -> Exception:
    """What the parser found, in the words of findings."""
    problem, line = str(failure.problem or failure), failure.problem_mark.line + 1 if failure.problem_mark else 0
    for part, told in _PROBLEMS.items():
        if part in f"{failure.context} {problem}":
            return plan_error([replace(told, file=file, line=line)])
    return _refusal("yaml.syntax", f"Not YAML: {problem}", None, file, line)


class _Builder:
    """Plain values from ruamel's nodes, noting each one's line."""

    def __init__(self, scalars: Any, file: str) -> None:
        self._scalars = scalars
        self._file = file
        self.lines: dict[Place, int] = {}
        self.written: dict[Place, str] = {}

    def value(self, node: Any, place: Place) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if node.anchor is not None:
            message = f"The anchor &{node.anchor} is not allowed"
            raise _refusal("yaml.anchor", message, "Write the value where it is meant.", self._file, line)
        if node.id == "mapping":
            return dict(self._pairs(node, place))
        if node.id == "sequence":
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place, line)

    def _pairs(self, node: Any, place: Place) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                raise _refusal("yaml.syntax", "A key must be text", None, self._file, line)
            key = str(key_node.value)
            if key in seen:
                message = f"The key {key!r} stands twice in one mapping"
                raise _refusal("yaml.duplicate_key", message, "Keep one of them.", self._file, line)
            seen.add(key)
            self.lines[*place, key] = line
            yield key, self.value(value_node, (*place, key))

    def _scalar(self, node: Any, place: Place, line: int) -> Any:
        kind = str(node.tag or "").removeprefix(_TAG)
        if kind in ("str", "timestamp"):
            return node.value
        if kind not in ("int", "float", "bool", "null"):
            message = f"The tag {node.tag} is not allowed"
            raise _refusal("yaml.syntax", message, "Use plain values.", self._file, line)
        self.written[place] = str(node.value)
        return self._number(node, kind, line) if kind in ("int", "float") else self._constructed(node, kind)

    def _number(self, node: Any, kind: str, line: int) -> Any:
        """Numbers are those that every format carries: finite, and whole ones of 64 bits."""
        try:
            number = self._constructed(node, kind)
        except ValueError:
            number = math.inf
        if math.isfinite(number) and (kind == "float" or NUMBER_MIN <= number <= NUMBER_MAX):
            return number
        message = f"{str(node.value)[:40]} is not a finite number of 64 bits"
        raise _refusal("yaml.number", message, "Put it in quotes where text is meant.", self._file, line)

    def _constructed(self, node: Any, kind: str) -> Any:
        return getattr(self._scalars, f"construct_yaml_{kind}")(node)


def _refusal(code: str, message: str, hint: str | None, file: str, line: int = 0) -> Exception:
    return plan_error([Finding(code, message, hint, file, line)])
