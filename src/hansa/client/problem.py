"""A problem document (RFC 9457) back into the error that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from hansa.errors import AuthorError, CallerError, HansaError, InternalError, OperatorError, PlanError, Unavailable

_ELSEWHERE: Final = frozenset({"type", "title", "status", "detail", "code", "hint"})
_LATER: Final = frozenset({408, 425, 429, 502, 503, 504})


def error_of(status: int, document: object) -> HansaError:
    """The error that an answer of `status` (400 or more) tells.

    `document` is the decoded body, of any shape: what is not a problem document keeps its status as the code
    `http.404`. Members beyond the standard's stand in `details`.
    """
    problem = document if isinstance(document, Mapping) else {}
    title = problem.get("title") or _phrase(status)
    hint = problem.get("hint")
    return _family(status, problem)(
        str(problem.get("code") or f"http.{status}"),
        str(problem.get("detail") or title),
        hint=str(hint) if hint else None,
        details={"status": status, **_extensions(problem)},
    )


def _family(status: int, problem: Mapping[str, Any]) -> type[HansaError]:
    if status in _LATER:
        return Unavailable
    if problem.get("findings"):
        return PlanError
    if problem.get("origin") or status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return AuthorError
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return OperatorError
    return CallerError if status < 500 else InternalError


def _extensions(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in _ELSEWHERE}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"The server answered {status}"
