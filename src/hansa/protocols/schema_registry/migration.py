"""Migration rules: how a stock client translates a record between two majors of a port. Pure.

The versions of a port's line stand in the order in which they were deployed. Each one carries the way from the version
before it (UPGRADE) and back to it (DOWNGRADE): nothing within a major, the window's translators where the major
changes. A client works the rules along its way, so every way ends in the right major, whichever two it leads between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hansa.model.ids import PortId
from hansa.model.topic import topic_name
from hansa.model.window import Window

Windows = Mapping[int, Window]
"""By major, the window that its contract opens to an earlier one."""


def migration_rules(port: PortId, before: int, major: int, windows: Windows) -> dict[str, Any] | None:
    """The rule set of a version of `major` behind one of the major `before`; None within a major.

    Where no JSONata leads from one to the other, the rules say so and fail: without them, a client would take a record
    of one major for one of the other.
    """
    if before == major:
        return None
    up, down = _way(port, before, major, windows), _way(port, major, before, windows)
    return {"migrationRules": [_rule("UPGRADE", before, major, up), _rule("DOWNGRADE", major, before, down)]}


def _rule(mode: str, start: int, end: int, expression: str) -> dict[str, Any]:
    name = f"from_v{start}_to_v{end}"
    return {"name": name, "kind": "TRANSFORM", "type": "JSONATA", "mode": mode, "expr": expression}


def _way(port: PortId, start: int, end: int, windows: Windows) -> str:
    window = windows.get(max(start, end))
    if window is not None and window.previous == min(start, end):
        text = window.upgrade if start < end else window.downgrade
        if is_jsonata(text):
            return text
    topic = topic_name(PortId(port.product, port.name, end))
    return f'$error("{port.product}/{port.name} has no JSONata from v{start} to v{end}; read the topic {topic}")'


def is_jsonata(text: str) -> bool:
    """A translator that is no name of a function is JSONata."""
    return not text.isidentifier()
