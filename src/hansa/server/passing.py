"""Calls that a node passes on: one without workers has another one answer them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

import httpx
from starlette.requests import Request as HTTPRequest

from hansa.errors import Unavailable
from hansa.server.answers import Response
from hansa.server.request import Request

ANSWER_S: Final = 600.0
CONNECT_S: Final = 2.0
PASSED: Final = "hansa-passed"
_OF_A_CONNECTION: Final = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"host", b"content-length",
     b"date", b"server", b"expect")
)  # fmt: skip
"""Headers that speak of a connection and not of what is asked or answered."""


class Passing:
    """Passes calls on to the nodes at the URLs that `workers` tells, in turn. What they answer is the answer."""

    def __init__(self, workers: Callable[[], Sequence[str]]) -> None:
        self._workers = workers
        self._turn = itertools.count()
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False)

    async def pass_on(self, request: Request) -> Response:
        """The answer of another node. Raises `Unavailable`: `node.none`, nothing was done; `node.lost`, it may be
        worked."""
        workers = list(self._workers())
        first = next(self._turn)
        for number in range(len(workers)):
            url = workers[(first + number) % len(workers)]
            try:
                return await self._asked(url, request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.TransportError as lost:
                raise Unavailable(
                    "node.lost",
                    f"The node that was at it did not answer: {type(lost).__name__}",
                    hint="Call again with the same Idempotency-Key: it is done once.",
                ) from lost
        raise Unavailable(
            "node.none",
            f"None of {len(workers)} nodes with the role worker can be reached",
            hint="Nothing was done. `hansa nodes` tells which are there; start one with HANSA_ROLES=worker.",
        )

    async def _asked(self, url: str, request: Request) -> Response:
        query = request.query.decode("latin-1")
        path = quote(request.path, safe="/:@!$&'()*+,;=~")
        answer = await self._client.request(
            request.method,
            httpx.URL(url).copy_with(raw_path=(path + (f"?{query}" if query else "")).encode()),
            headers=[pair for pair in request.headers if pair[0] not in _OF_A_CONNECTION],
            content=request.body,
        )
        body = answer.content
        headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _OF_A_CONNECTION]
        return Response(answer.status_code, [*headers, (b"content-length", str(len(body)).encode())], body)

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()


async def passed_on(request: HTTPRequest, others: Sequence[str]) -> bytes | None:
    """What the first of the other nodes says to the same request that does not refuse it; None where all do. A request
    that was passed on is passed on no further."""
    if not others or PASSED in request.headers:
        return None
    headers = {"authorization": request.headers.get("authorization", ""), PASSED: "1"}
    async with httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False) as client:
        for url in others:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.request(request.method, f"{url}{request.url.path}", headers=headers)
                if answer.is_success:
                    return answer.content
    return None
