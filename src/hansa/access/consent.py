"""Whose consent a breaking change takes. Pure: who would break, in; whom to ask, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from hansa.registry.values import GivenConsent


class Broken(NamedTuple):
    """A reader of `port` that a change breaks, or may break: a process or product of `domain`, or an account."""

    port: str
    who: str
    domain: str | None


class Needed(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """One consent that a change of `port` takes: of an owner of the domain `of`, or of the account `of`.

    `readers` are those that it speaks for; `given_by` is who gave it, None where it is missing.
    """

    port: str
    kind: Literal["domain", "account"]
    of: str
    readers: tuple[str, ...] = ()
    given_by: str | None = None

    @property
    def sentence(self) -> str:
        """Whom to ask, and for whom."""
        whom = f"an owner of the domain {self.of}" if self.kind == "domain" else f"the account {self.of}"
        return f"{whom}, for {', '.join(self.readers)}" if self.readers else whom


_Place = tuple[str, Literal["domain", "account"], str]


def consents_needed(ports: Iterable[str], broken: Iterable[Broken], own_domain: str) -> list[Needed]:
    """The consents that a break of `ports` takes: one of each domain whose products would break, one of each account.

    A port of which no reader is known takes one of the producer's own domain: its contract is a promise to those that
    are not known, too.
    """
    found: dict[_Place, set[str]] = {}
    for port, who, domain in broken:
        key: _Place = (port, "domain", domain) if domain is not None else (port, "account", who)
        found.setdefault(key, set()).add(who)
    asked = {port for port, _, _ in found}
    found |= {(port, "domain", own_domain): set() for port in ports if port not in asked}
    return sorted(Needed(*key, tuple(sorted(readers))) for key, readers in found.items())


def with_given(needed: Iterable[Needed], given: Iterable[GivenConsent]) -> list[Needed]:
    """The same, each with who gave it. `given` are those for this change alone: from the live revision to the
    candidate."""
    by_place: dict[_Place, str] = {(one.port, one.kind, one.of): one.actor for one in given}
    return [msgspec.structs.replace(one, given_by=by_place.get((one.port, one.kind, one.of))) for one in needed]
