"""Every error that Hansa raises, in one tree.

    HansaError
    ├── CallerError      the one who asks must change the request, the id or the token
    ├── AuthorError      the author of a product must change its files
    │   └── PlanError    a product that cannot be deployed, with every finding in `details`
    ├── OperatorError    who runs this Hansa must act: disk, limits, isolation, settings
    │   └── Unavailable  try again later
    └── InternalError    our own bug

A code is a string `noun.reason`. Codes are public and only ever added; the wording of a message may change.
Nothing here knows HTTP or exit codes: `hansa.server` and `hansa.cli` map the families and codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HansaError(Exception):
    """What went wrong, with the value that was wrong, and what to do about it.

    `code` is stable (`noun.reason`), `message` says what happened, `hint` says what to do, `details` carries what a
    program can use: ids, limits, `errors` (a list of `{path, code, message}`).
    """

    def __init__(
        self, code: str, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.code, self.message, self.hint, self.details)

    def as_dict(self) -> dict[str, Any]:
        """The error as plain values: `code`, `message` and, where there are any, `hint` and `details`."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            found["hint"] = self.hint
        if self.details:
            found["details"] = self.details
        return found


def _rebuild(kind: type[HansaError], code: str, message: str, hint: str | None, details: dict[str, Any]) -> HansaError:
    return kind(code, message, hint=hint, details=details)


class CallerError(HansaError):
    """The request, the id or the token is wrong; the caller must change it."""


class AuthorError(HansaError):
    """A product's files are wrong; their author must change them."""


class PlanError(AuthorError):
    """A product cannot be deployed. `details["findings"]` lists `{code, message, hint, file, line}`."""


class OperatorError(HansaError):
    """The machine, its settings or its limits; whoever runs this Hansa must act."""


class Unavailable(OperatorError):
    """Not now: the same request may succeed later. Nothing was done, but where the message says that this is not known
    (`log.unknown`, `log.stopped`, `node.lost`)."""


class InternalError(HansaError):
    """A bug of ours."""
