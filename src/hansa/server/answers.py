"""Answers over HTTP, before anything is sent: a status, headers, a body."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from hansa.errors import HansaError, InternalError
from hansa.runtime.run import Answer
from hansa.server.problems import problem, problem_headers

_JSON: Final = (b"content-type", b"application/json")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
BODILESS: Final = frozenset((204, 205, 304))


class Response(NamedTuple):
    """`headers` have lower-case names, and the length of the body where there may be one."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def json_answer(status: int, value: Any, run: str = "", token: str = "") -> Response:
    """Any value as JSON; `run` and `token` name the run and what its commit can be read with."""
    return _response(status, _JSON, msgspec.json.encode(value), run, token)


def problem_answer(error: HansaError, run: str = "", trace: str | None = None) -> Response:
    """The problem document of an error (RFC 9457). `trace` is the call's `traceparent`."""
    document = problem(error, run=run or None, trace=trace)
    body = msgspec.json.encode(document)
    headers = {**problem_headers(document, error), "content-length": str(len(body))}
    lines = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Response(document["status"], lines, body)


def traceparent(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The header of that name, for an answer that has no run."""
    return next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), None)


def run_answer(answer: Answer) -> Response:
    """What a run answered, as it made it."""
    content_type = (b"content-type", answer.content_type.encode("latin-1", "replace"))
    found = _response(answer.status, content_type, answer.result, answer.run, answer.token)
    for name, value in (answer.headers or {}).items():
        if not _NAME(name) or not _VALUE(value):
            return problem_answer(_bad_header(name, value), answer.run)
        if name.lower() not in ("content-type", "content-length", "transfer-encoding", "connection"):
            found.headers.append((name.lower().encode(), value.encode("latin-1")))
    return found


def _response(status: int, content_type: tuple[bytes, bytes], body: bytes, run: str, token: str) -> Response:
    headers = [content_type, (b"content-length", b"%d" % len(body))]
    if status in BODILESS:
        headers, body = [], b""
    if run:
        headers.append((b"hansa-run", run.encode()))
    if token:
        headers.append((b"hansa-token", token.encode()))
    return Response(status, headers, body)


def _bad_header(name: str, value: str) -> InternalError:
    return InternalError(
        "reply.header",
        f"The process answered with a header that HTTP cannot carry: {name!r}: {value!r}",
        hint="Names are tokens; values are printable Latin-1. Correct the Reply; what the run committed stands.",
    )
