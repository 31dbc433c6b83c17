"""`hansa dev --inline`: the product in this process, so that a debugger and `breakpoint()` work.

Each line of the input is a call: a process or a route, and its payload where it takes one.

    load
    POST /operations/flights/departures {"flight": "UA1545"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TextIO

import msgspec

from hansa.cli.failure import error_lines
from hansa.cli.screen import Screen
from hansa.cli.watch import Snapshot, snapshot
from hansa.errors import CallerError, HansaError
from hansa.testing.inline import InlineHansa


class Call(NamedTuple):
    """`target` is a process's name, or a method and a path."""

    target: str
    payload: Any = None


def parse_call(line: str) -> Call:
    """The call that a line means; raises `CallerError("body.not_json")`."""
    words = line.split(maxsplit=2 if line.split(maxsplit=1)[0].isupper() else 1)
    is_route = words[0].isupper() and len(words) > 1
    target, rest = (" ".join(words[:2]), words[2:]) if is_route else (words[0], words[1:])
    try:
        return Call(target, msgspec.json.decode(rest[0]) if rest else None)
    except msgspec.DecodeError as failure:
        raise CallerError("body.not_json", f"{rest[0]!r} is not JSON: {failure}", hint="Send JSON.") from failure


def work(folder: Path, lines: TextIO, screen: Screen) -> None:
    """Works the calls until the input ends. A folder that was saved is loaded anew, with an empty log, at the next
    call."""
    hansa, loaded = InlineHansa(), Snapshot()
    screen.note("A call a line, such as: load {}    Ctrl-D ends it.")
    for line in filter(str.strip, lines):
        try:
            call = parse_call(line)
            if (saved := snapshot(folder)) != loaded:
                hansa = InlineHansa()
                hansa.load(folder)
                loaded = saved
            screen.item(result := hansa.call(call.target, call.payload), str(result))
        except HansaError as error:
            for told in error_lines(error):
                screen.note(told)
