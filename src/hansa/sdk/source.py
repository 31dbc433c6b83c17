"""The source of a function, without touching the memory of anything else."""

from __future__ import annotations

import inspect
import linecache
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any


def digest_of(*functions: Callable[..., Any]) -> str:
    """sha256 of the functions' dedented sources: changes when one of these does."""
    import hashlib  # an author who only imports hansa does without OpenSSL

    sources = (source_of(inspect.unwrap(function).__code__) for function in functions)
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def source_of(code: CodeType) -> str:
    """What `inspect.getsource` gives, dedented, without its look at every module that is loaded: that would write to
    the memory of each, which a worker shares with its zygote. Raises `OSError` where the source is not there."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise OSError(f"there is no source at {code.co_filename}")
    return textwrap.dedent("".join(inspect.getblock(lines[code.co_firstlineno - 1 :])))
