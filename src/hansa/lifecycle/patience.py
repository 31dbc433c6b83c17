"""Says that something goes on, where it takes longer than people wait without a word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

FIRST_S: Final = 2.0
NEXT_S: Final = 5.0


@contextlib.asynccontextmanager
async def saying(
    progress: Callable[[str], None], what: str, *, first_s: float = FIRST_S, next_s: float = NEXT_S
) -> AsyncIterator[None]:
    """While the body works, `progress` gets `what` with the seconds gone by: after `first_s`, then every `next_s`."""

    async def say() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(first_s)
        while True:
            progress(f"{what} ({loop.time() - begun:.0f} s)")
            await asyncio.sleep(next_s)

    task = asyncio.create_task(say())
    try:
        yield
    finally:
        task.cancel()
