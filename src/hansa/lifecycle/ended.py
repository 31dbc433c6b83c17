"""Versions of ports that were retired: kept in the log's state, and refused with the name of their successor."""

from __future__ import annotations

from typing import Final

import msgspec

from hansa.errors import CallerError
from hansa.eventlog.interface import Log, Put

_RETIRED: Final = "_retired"


class Retirement(msgspec.Struct, frozen=True):
    """Who ended a version in favour of its successor, when, and the approval it was forced with; that is empty where
    nobody read it."""

    by: str
    time_us: int
    successor: str
    approval: str = ""


def retirements(log: Log) -> dict[str, Retirement]:
    """Every version that was retired, by its port."""
    return {port: msgspec.msgpack.decode(value, type=Retirement) for port, value in log.scan(_RETIRED)}


def retirement_put(port: str, retirement: Retirement) -> Put:
    """Keeps it."""
    return Put(_RETIRED, port, msgspec.msgpack.encode(retirement))


def ended(port: str, successor: str) -> CallerError:
    """The refusal of a version that has ended."""
    return CallerError(
        "port.ended",
        f"{port} has ended",
        hint=f"Read {successor}; `hansa window {port} --position …` tells where to go on there.",
        details={"status": 410, "successor": successor},
    )
