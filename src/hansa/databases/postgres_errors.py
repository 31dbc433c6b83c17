"""What PostgreSQL and its client say, as our errors."""

from __future__ import annotations

from typing import Final

import psycopg

from hansa.errors import CallerError, HansaError, OperatorError, Unavailable

_REACH: Final = "See that PostgreSQL runs and that HANSA_DATABASE names it; Hansa goes on by itself when it answers."
_RIGHTS: Final = "See user, password and rights in HANSA_DATABASE; the guide says which rights Hansa needs."
_HINTS: Final = {
    "store.unreachable": _REACH,
    "store.full": "Free space on the disk of PostgreSQL.",
    "store.read_only": "Name the primary server in HANSA_DATABASE, or end its read-only mode.",
    "store.busy": "Try again; see what keeps PostgreSQL busy, or raise its max_connections.",
    "store.denied": _RIGHTS,
    "store.untrusted": "See sslmode and sslrootcert in HANSA_DATABASE: the certificate of who signed the server's.",
    "store.missing": "Make the database: createdb NAME, or name another one in HANSA_DATABASE.",
}
_STATES: Final = {
    "53100": "store.full",
    "53": "store.busy",
    "25006": "store.read_only",
    "25P03": "store.busy",
    "55P03": "store.busy",
    "57014": "store.busy",
    "40": "store.busy",
    "28": "store.denied",
    "42501": "store.denied",
    "3D000": "store.missing",
    "57P": "store.unreachable",
    "08": "store.unreachable",
    "58": "store.unreachable",
}
"""By SQLSTATE (PostgreSQL's Appendix A), or by what it begins with."""
_SAID: Final = (
    ("certificate verify failed", "store.untrusted"),
    ("root certificate", "store.untrusted"),
    ("server certificate for", "store.untrusted"),
    ("server does not support SSL", "store.untrusted"),
    ("authentication", "store.denied"),
    ("pg_hba.conf", "store.denied"),
    ("no password supplied", "store.denied"),
    ("permission denied", "store.denied"),
    ('role "', "store.denied"),
    ('database "', "store.missing"),
    ("too many", "store.busy"),
    ("connection slots", "store.busy"),
)
"""Why a connection was refused, of which the client tells the text alone. In other languages it is unreachable."""


def error_of(store: str, failure: psycopg.Error) -> HansaError | None:
    """The error that a failure stands for; None is one of ours. `store` says what could not be used."""
    message = f"{store}: {' '.join(str(failure).split())}"
    state = failure.sqlstate or ""
    if state.startswith("XX"):
        return OperatorError("store.damaged", message, hint="Restore a backup with pg_restore.")
    if state.startswith("54"):
        return CallerError("value.too_large", message, hint="Send a shorter name.")
    if state.startswith("22") or (isinstance(failure, psycopg.DataError) and not state):
        return CallerError("value.malformed", message, hint="Leave out what is no text, such as the character NUL.")
    code = _STATES.get(state) or _STATES.get(state[:3]) or _STATES.get(state[:2])
    if code is None and not state and isinstance(failure, psycopg.OperationalError | psycopg.InterfaceError):
        code = next((code for text, code in _SAID if text in message), "store.unreachable")
    return Unavailable(code, message, hint=_HINTS[code]) if code else None
