"""What is refused, and the error codes of the protocol, on which clients act. First digits are those of HTTP."""

from __future__ import annotations

from typing import Final

from hansa.errors import CallerError, HansaError
from hansa.protocols.schema_registry.names import PortSubject
from hansa.protocols.schema_registry.subject import Entry, Subject

_CODES: Final = {
    "access.unauthenticated": 40101,
    "access.denied": 40301,
    "subject.unknown": 40401,
    "version.unknown": 40402,
    "schema.unknown": 40403,
    "subject.deleted": 40404,
    "subject.live": 40405,
    "version.deleted": 40406,
    "version.live": 40407,
    "subject.unset": 40408,
    "mode.unset": 40409,
    "schema.incompatible": 409,
    "subject.contract": 409,
    "schema.malformed": 42201,
    "schema.reference_unknown": 42201,
    "version.malformed": 42202,
    "compatibility.malformed": 42203,
    "mode.malformed": 42204,
    "subject.read_only": 42205,
    "subject.no_import": 42205,
    "schema.referenced": 42206,
}


def error_code(error: HansaError, status: int) -> int:
    """The code of an error that is answered with `status`, unless the protocol has another for it."""
    return _CODES.get(error.code, status)


def status_by_code(error: HansaError) -> int | None:
    """The HTTP status that the protocol has for an error; None where it has none."""
    code = _CODES.get(error.code)
    return None if code is None else int(str(code)[:3])


def decided_by_contract(of: PortSubject) -> CallerError:
    """That a port has no other schemas than its contract gives it."""
    return CallerError(
        "subject.contract",
        f"{of} has other schemas: the contract of {of.port} decides them",
        hint="Change the contract and deploy the product, or use a subject that is no port's.",
    )


def read_only(subject: Subject) -> CallerError:
    """That a subject cannot be changed, and why."""
    why = "the contract of its port decides it" if subject.is_port else "its mode is READONLY"
    return CallerError(
        "subject.read_only",
        f"{subject.name} cannot be changed here: {why}",
        hint="Change the contract and deploy the product." if subject.is_port else "Set its mode to READWRITE.",
    )


def was_not_deleted(noun: str, subject: Subject, found: list[Entry]) -> CallerError:
    """That only what was deleted can be taken away. `noun` is what was named: subject or version."""
    told = ", ".join(str(entry.version) for entry in found if not entry.is_deleted)
    message = f"{subject.name} was not deleted: version {told} is there"
    hint = "Delete it without `permanent` first."
    if noun == "subject":
        return CallerError("subject.live", message, hint=hint)
    return CallerError("version.live", message, hint=hint)


def was_deleted(noun: str, subject: Subject) -> CallerError:
    """That it was deleted already. `noun` is what was named: subject or version."""
    hint = "With `permanent=true` it is taken away for good."
    if noun == "subject":
        return CallerError("subject.deleted", f"{subject.name} was deleted already", hint=hint)
    return CallerError("version.deleted", f"The version of {subject.name} was deleted already", hint=hint)
