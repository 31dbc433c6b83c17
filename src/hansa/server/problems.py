"""Errors over HTTP: RFC 9457 problem documents, and which status a code has."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from hansa.errors import AuthorError, CallerError, HansaError, OperatorError, Unavailable

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
_BY_REASON: Final = {"unknown": 404, "exists": 409, "taken": 409, "conflict": 409, "locked": 409, "too_large": 413}


def status_of(error: HansaError) -> int:
    """The HTTP status of an error: by its code, then its reason, then its family."""
    told = error.details.get("status")
    if isinstance(told, int) and told >= 400:
        return told
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    by_reason = _BY_REASON.get(error.code.rpartition(".")[2])
    if by_reason is not None:
        return by_reason
    if isinstance(error, Unavailable):
        return 503
    if isinstance(error, AuthorError):
        return 422
    if isinstance(error, CallerError):
        return 400
    return 507 if isinstance(error, OperatorError) and "full" in error.code else 500


def problem(error: HansaError, *, run: str | None = None, trace: str | None = None) -> dict[str, Any]:
    """The problem document of an error."""
    status = status_of(error)
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": error.message,
        "code": error.code,
        "trace_id": (trace or run or "").replace("-", ""),
    }
    if error.hint:
        found["hint"] = error.hint
    for name in ("errors", "findings", "origin", "traceback", "suggestion", "first"):
        if error.details.get(name) is not None:
            found[name] = error.details[name]
    if run:
        found["run"] = run
    return found


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Problem"
