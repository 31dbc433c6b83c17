"""A plan as one value: what a candidate changes, whom that hits, whose consent it takes, and why it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from hansa.access.consent import Broken, Needed, consents_needed, with_given
from hansa.lifecycle.changes import IN_CLEAR, Change
from hansa.lifecycle.consumers import Consumer
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.values import GivenConsent
from hansa.sdk.finding import Finding

_HASH_CHARS: Final = 16
_HINT: Final = "Make it a new major of the port, or ask for the consent: hansa consent {port} --candidate {revision}"
_HINT_BACK: Final = (
    "Ask for the consent: hansa consent {port} --candidate {revision}; or an owner forces it with --accept-breaking"
)


class Expected(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a consumer's expectation of a field came to on the candidate. `tried` says on what: `contract`, or
    `dry run` or `latest records` with their number. `failures` are sentences; they hold no personal value."""

    port: str
    consumer: str
    field: str
    tried: str
    failures: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What a deploy of `revision` in place of `since` would do. `hash` stands for all of it but times: a plan made
    again has the same one as long as nothing that it depends on has moved."""

    product: str
    revision: str
    since: str | None
    state: ProductState
    changes: Sequence[Change]
    consumers: Sequence[Consumer] = ()
    expectations: Sequence[Expected] = ()
    consents: Sequence[Needed] = ()
    findings: Sequence[Finding] = ()
    """Why it is refused: a breaking change without all its consents, an expectation that fails."""
    notes: Sequence[str] = ()
    """What is not refused and should be known: a state that the file says otherwise, what could not be tried."""
    hash: str = ""


def planned(
    spec: ProductSpec,
    revision: str,
    since: str | None,
    state: ProductState,
    made: Sequence[Change],
    behind: Sequence[Consumer],
    expected: Sequence[Expected],
    given: Iterable[GivenConsent],
    notes: Sequence[str] = (),
    *,
    goes_back: bool = False,
) -> Plan:
    """The plan of these parts, with the consents that it takes and what keeps it from being deployed. One that
    `goes_back` to an earlier revision takes those of whom it hits: what it takes away was promised for a while, and
    that nobody who is known uses it is enough to undo a mistake at once."""
    ports = {change.id for change in made if change.kind == "breaking" and not (goes_back and is_undone(change))}
    needed = _consents(spec, ports, behind, expected, (one for one in given if one.since == since))
    hint = _HINT_BACK if goes_back else _HINT
    findings = [*_refusals(made, behind, needed, revision, hint), *_failing(expected, needed, revision, hint)]
    plan = Plan(spec.id, revision, since, state, made, behind, expected, needed, findings, notes)
    return msgspec.structs.replace(plan, hash=_hash(plan))


def is_undone(change: Change) -> bool:
    """True where taking a change back hits its known readers at most; one to records in clear hits persons."""
    return change.code != IN_CLEAR


def _consents(
    spec: ProductSpec,
    ports: Collection[str],
    behind: Sequence[Consumer],
    expected: Sequence[Expected],
    given: Iterable[GivenConsent],
) -> list[Needed]:
    broken = [Broken(one.port, one.who, one.domain) for one in behind if one.verdict in ("breaks", "may_break")]
    broken += [Broken(one.port, one.consumer, one.consumer.partition(".")[0]) for one in expected if one.failures]
    return with_given(consents_needed(ports, broken, spec.domain), given)


def _refusals(
    made: Sequence[Change], behind: Sequence[Consumer], needed: Sequence[Needed], revision: str, hint: str
) -> list[Finding]:
    """One finding for each breaking change whose port lacks a consent: port, field and who would break."""
    lacking = {one.port for one in needed if one.given_by is None}
    return [
        Finding(
            "contract.incompatible",
            f"{change.text}; {_told(change.id, behind)}",
            hint.format(port=change.id, revision=revision),
            "product.yaml",
        )
        for change in made
        if change.kind == "breaking" and change.id in lacking
    ]


def _told(port: str, behind: Sequence[Consumer]) -> str:
    hit = [
        f"{one.who} ({one.because})" for one in behind if one.port == port and one.verdict in ("breaks", "may_break")
    ]
    read = [one.who for one in behind if one.port == port and one.verdict == "unaffected"]
    if hit:
        return f"hits {', '.join(dict.fromkeys(hit))}"
    return f"read by {', '.join(dict.fromkeys(read))}, whom it does not hit" if read else "nobody is known to read it"


def _failing(expected: Sequence[Expected], needed: Sequence[Needed], revision: str, hint: str) -> list[Finding]:
    lacking = {one.port for one in needed if one.given_by is None}
    return [
        Finding(
            "expectation.failed",
            f"{one.consumer} expects of {one.port}: {'; '.join(one.failures)} ({one.tried})",
            hint.format(port=one.port, revision=revision),
            "product.yaml",
        )
        for one in expected
        if one.failures and one.port in lacking
    ]


def _hash(plan: Plan) -> str:
    parts = (
        plan.product,
        plan.revision,
        plan.since,
        plan.state,
        plan.changes,
        [(c.port, c.who, c.token, c.verdict, c.because) for c in plan.consumers],
        [(e.port, e.consumer, e.field, e.failures) for e in plan.expectations],
        [(n.port, n.kind, n.of, n.readers) for n in plan.consents],
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:_HASH_CHARS]
