"""Subjects of ports: the port's topic and which part of a record, as TopicNameStrategy makes them.

    operations.flights/departures@1    operations-flights-departures-v1-value    operations-flights-departures-v1-key

All majors of a port have one line of versions, so that a client finds its way from each to each; see decision 14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

from hansa.errors import CallerError
from hansa.model.ids import PortId
from hansa.model.topic import port_of_topic, topic_name
from hansa.registry.values import SchemaPart

DEFAULT_CONTEXT: Final = "."
_CONTEXT: Final = re.compile(r":(\.[A-Za-z0-9._-]*):(.+)")
_SUBJECT: Final = re.compile(r"[A-Za-z0-9._:$+@~-]{1,249}")


@dataclass(frozen=True, slots=True, order=True)
class PortSubject:
    """The subject of one part of a port's records."""

    port: PortId
    part: SchemaPart

    def __str__(self) -> str:
        return f"{topic_name(self.port)}-{self.part}"

    @property
    def line(self) -> str:
        """What the majors of the port have together. It is no subject that could be asked for."""
        return f"{self.port.product}/{self.port.name}#{self.part}"

    @property
    def product(self) -> str:
        return str(self.port.product)

    @staticmethod
    def parse(subject: str) -> PortSubject | None:
        """The port's subject of that name; None where no port's can be called so."""
        topic, _, part = subject.rpartition("-")
        port = port_of_topic(topic) if part in ("key", "value") else None
        return PortSubject(port, cast("SchemaPart", part)) if port else None


def is_line(subject: str) -> bool:
    """Whether versions are kept under the name for a port, and not for a subject of that name."""
    return "#" in subject


def within_context(subject: str) -> tuple[str, str]:
    """The context of a subject and its name in there: `:.staging:orders-value` is `orders-value` in `.staging`. One
    that names no context is in `.`, where ports have theirs."""
    found = _CONTEXT.fullmatch(subject)
    return (found[1], found[2]) if found else (DEFAULT_CONTEXT, subject)


def canonical(subject: str) -> str:
    """The one spelling of a subject: the context `.` is not named."""
    context, name = within_context(subject)
    return name if context == DEFAULT_CONTEXT else f":{context}:{name}"


def check_subject(text: str) -> str:
    """`text` if a subject can be called so. Raises `CallerError("id.malformed")`."""
    if not _SUBJECT.fullmatch(text):
        raise CallerError(
            "id.malformed",
            f"{text!r} is not a name for a subject",
            hint="A subject is 1 to 249 letters, digits and . _ - : $ + @ ~, for example `orders-value`.",
            details={"value": text},
        )
    return text
