"""Records that broke their contract and were set aside: what the log keeps of them.

Each port has a topic for them. A record that is set aside is an entry there, and so is whatever becomes of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

_PREFIX: Final = "_quarantine:"
WINDOW: Final = "window"
"""The rule of a reason that keeps a record from an older version of its port: the newer one has it."""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One breach: the field's path, a code, and in words. `value` is empty where it must not be shown; `rule` is the id
    of the quality rule, empty where the schema was broken."""

    path: str
    code: str
    message: str
    value: str = ""
    rule: str = ""


class Held(msgspec.Struct, frozen=True, tag="held"):
    """A record was set aside. `record` is its msgpack, as far as it may be kept: see `kept_fields`."""

    id: str
    reasons: list[Reason]
    record: msgspec.Raw
    kept_fields: list[str] | None = None
    """Where a contract names a person and the record does not say whom: the fields that are not personal, which are all
    that `record` has. None: it is whole."""


class Corrected(msgspec.Struct, frozen=True, tag="corrected"):
    """Somebody has mended the record."""

    id: str
    record: msgspec.Raw
    by: str


class Settled(msgspec.Struct, frozen=True, tag="settled"):
    """Nothing more is to be done with it. `state`: replayed (published by the run `run`) or discarded."""

    id: str
    state: str
    by: str
    run: str = ""
    reason: str = ""


Change = Held | Corrected | Settled


def quarantine_topic(port: str) -> str:
    """The topic of what was set aside on its way to a port."""
    return _PREFIX + port


def quarantined_port(topic: str) -> str | None:
    """The port of such a topic; None for any other topic."""
    return topic.removeprefix(_PREFIX) if topic.startswith(_PREFIX) else None


def unique_scope(port: str, rule: str) -> str:
    """Where the log keeps the values that a rule of a port lets stand only once."""
    return f"unique:{port}/{rule}"


def settled_scope(port: str) -> str:
    """Where the log keeps which records of a port's quarantine are settled."""
    return f"settled:{port}"
