"""Errors over HTTP: RFC 9457 problem documents, and which status a code has."""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hansa.errors import AuthorError, CallerError, HansaError, OperatorError, Unavailable
from hansa.server.deprecation import successor_link

MEDIA: Final = "application/problem+json"
_BY_CODE: Final = {
    "access.unauthenticated": 401,
    "access.denied": 403,
    "body.not_json": 400,
    "body.too_large": 413,
    "route.method": 405,
    "input.invalid": 422,
    "position.expired": 410,
    "product.retired": 410,
}
_BY_REASON: Final = {"exists": 409, "taken": 409, "conflict": 409, "locked": 409, "too_large": 413}
_SUCCEEDED: Final = {"product.retired": "products", "port.ended": "ports"}
"""What is answered with a link to what comes in its place, and under which path that is."""
_LATER: Final = (503, 507, 429)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of the request, such as `body.items[3].count`."""

    path: str
    code: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no result (RFC 9457). `code` is stable and documented; `hint` says what to do. `findings` are of a
    product's files, `origin` and `traceback` of the logic that failed, `rule` of the decision that refused."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: list[FieldError]
    hint: str | None = None
    run: str | None = None
    findings: list[dict[str, Any]] | None = None
    origin: str | None = None
    traceback: str | None = None
    suggestion: str | None = None
    first: int | None = None
    rule: str | None = None


def status_of(error: HansaError) -> int:
    """The HTTP status of an error: the one that it carries, else by its code; what is unavailable is 503, whatever its
    reason; else by its reason, then its family. 404 is for what the caller named alone."""
    told = error.details.get("status")
    if isinstance(told, int) and told >= 400:
        return told
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, Unavailable):
        return 503
    reason = error.code.rpartition(".")[2]
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if isinstance(error, AuthorError):
        return 422
    if isinstance(error, CallerError):
        return 404 if reason == "unknown" else 400
    return 507 if isinstance(error, OperatorError) and "full" in error.code else 500


def problem(error: HansaError, *, run: str | None = None, trace: str | None = None) -> dict[str, Any]:
    """The problem document of an error. `trace` is a `traceparent`, as the caller sent it."""
    status = status_of(error)
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": error.message,
        "code": error.code,
        "trace_id": trace_id(trace, run),
        "errors": error.details.get("errors") or [],
    }
    if error.hint:
        found["hint"] = error.hint
    for name in ("findings", "origin", "traceback", "suggestion", "first", "rule"):
        if error.details.get(name) is not None:
            found[name] = error.details[name]
    if run:
        found["run"] = run
    return found


def trace_id(trace: str | None, run: str | None = None) -> str:
    """The trace-id of a `traceparent` (W3C Trace Context, section 3.2.2.3); else of the run; else a new one."""
    match = _TRACEPARENT.fullmatch(trace or "")
    if match is not None:
        return match[1]
    return run.replace("-", "") if run else secrets.token_hex(16)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Problem"


def problem_headers(document: dict[str, Any], error: HansaError) -> dict[str, str]:
    """The headers that go with a problem document."""
    headers = {"content-type": MEDIA}
    if "run" in document:
        headers["hansa-run"] = document["run"]
    if document["status"] == 401:
        headers["www-authenticate"] = "Bearer"
    if document["status"] in _LATER:
        headers["retry-after"] = "1"
    if error.code in _SUCCEEDED:
        headers |= successor_link(_SUCCEEDED[error.code], error.details.get("successor"))
    if document["status"] == 405:
        headers["allow"] = ", ".join(error.details.get("methods", ()))
    return headers
