"""Server-sent events (WHATWG HTML, section 9.2), for as long as who follows them may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec
from starlette.responses import StreamingResponse

from hansa.errors import HansaError
from hansa.server.api.base import Asked
from hansa.server.operation import EVENT_STREAM
from hansa.server.problems import problem

STILL_HERE_S: Final = 15.0
AGAIN_S: Final = 0.5
"""How often a follower's access is decided anew: what is revoked stops within a second."""


def sse(asked: Asked, events: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """The events as they come, with a comment where there were none for `STILL_HERE_S`. Where the access ends, so does
    the stream, with an event `problem`."""
    return StreamingResponse(_allowed(asked, events), media_type=EVENT_STREAM, headers={"cache-control": "no-store"})


def sse_event(name: str, data: Any, id_: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"id: {id_}\n" if id_ is not None else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(data, enc_hook=str) + b"\n\n"


async def _allowed(asked: Asked, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    coming = asyncio.ensure_future(anext(events))
    silent_s = 0.0
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=AGAIN_S)
            asked.again()
            silent_s += AGAIN_S
            if done:
                yield coming.result()
                coming, silent_s = asyncio.ensure_future(anext(events)), 0.0
            elif silent_s >= STILL_HERE_S:
                yield b": still here\n\n"
                silent_s = 0.0
    except StopAsyncIteration:
        return
    except HansaError as refusal:
        yield sse_event("problem", problem(refusal))
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, HansaError):
            await coming
        await events.aclose()
