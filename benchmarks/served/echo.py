"""The floor: a raw ASGI application that sends the body back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


async def application(
    scope: dict[str, Any],  # noqa: ARG001
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer every request with its own body."""
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
