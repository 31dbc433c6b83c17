"""The source of a function, without touching the memory of anything else."""

from __future__ import annotations

import inspect
import linecache
import textwrap
from types import CodeType


def source_of(code: CodeType) -> str:
    """What `inspect.getsource` gives, dedented, without its look at every module that is loaded: that would write to
    the memory of each, which a worker shares with its zygote. Raises `OSError` where the source is not there."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise OSError(f"there is no source at {code.co_filename}")
    return textwrap.dedent("".join(inspect.getblock(lines[code.co_firstlineno - 1 :])))
