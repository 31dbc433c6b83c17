"""From what a logic publishes to what its run commits, port by port: check → judge → encode → effects.

What is enforced is the contract that the revision declares, compiled once, not the class that the author's code
happens to use. A worker has one `Publisher`; it makes the writer of a port at the first record for it and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol

import msgspec

from hansa.contracts.check import Validator, hidden_fields
from hansa.contracts.quality.judge import Judge, Verdict
from hansa.contracts.quality.rules import compile_rules
from hansa.errors import AuthorError
from hansa.model.ids import did_you_mean
from hansa.model.product import OutputPortSpec, ReferenceSpec
from hansa.model.quarantine import WINDOW, Held, Reason, quarantine_topic
from hansa.model.run import CheckResult, new_run_id
from hansa.runtime import wire
from hansa.runtime.translation import Translation, Translations
from hansa.sdk.encode import ContractViolation, Pair, Violation, plain
from hansa.sdk.ports import OutputPort, Port, Record

_encode: Final = msgspec.msgpack.Encoder(enc_hook=str).encode


class Into(Protocol):
    """Where the outcome of publishing goes: the buffer of a run."""

    effects: list[wire.Effect]

    def owners(self, port: str, rule: str, digests: Sequence[str]) -> dict[str, str]: ...

    def keys(self, port: str) -> set[str]: ...

    def take(self, unique: wire.Unique) -> None: ...

    def check(self, result: CheckResult) -> None: ...


class Asks(Protocol):
    """The way to the server."""

    def ask(self, what: str, arguments: Any) -> Any: ...


class _Standing:
    """What stands in the log, and in the buffer of a run, of what the records of a port must keep to."""

    def __init__(self, port: str, into: Into, server: Asks) -> None:
        self._port = port
        self._into = into
        self._server = server

    def owners(self, rule: str, digests: list[str]) -> dict[str, str]:
        """Whose the values are that are taken."""
        own = self._into.owners(self._port, rule, digests)
        others = [digest for digest in digests if digest not in own]
        return {**self._server.ask("unique", [self._port, rule, others]), **own} if others else own

    def absent(self, reference: ReferenceSpec, keys: list[str]) -> set[str]:
        """Which of the keys no record of the port has that is referred to."""
        own = self._into.keys(reference.port)
        others = [key for key in keys if key not in own]
        return set(self._server.ask("absent", [reference.port, reference.to, others])) if others else set()


class Writer:
    """What happens to records of one port on their way into the log."""

    def __init__(self, port: OutputPortSpec, server: Asks) -> None:
        self._port = port
        self._server = server
        self._encoder = Validator(port).encoder
        self._hidden = hidden_fields(port.contract)
        rules = compile_rules(port.contract)
        self._judge = Judge(port, rules, self._encoder.key, self._hidden)
        self._is_plain = not rules

    def write(self, rows: Iterable[Any], into: Into, *, refuse: bool = False) -> Sequence[int]:
        """Puts what the run commits of the rows into its buffer, and tells which are published, by their index.
        `refuse` sets nothing aside.

        Raises `ContractViolation` with every violation of every row; then nothing is published.
        """
        return self.published(rows, into, refuse=refuse)[0]

    def published(self, rows: Iterable[Any], into: Into, *, refuse: bool = False) -> tuple[Sequence[int], list[Any]]:
        """As `write`, with the records that are published."""
        given = list(rows)
        records, broken = self._encoder.check(given)
        kept: Sequence[int] = range(len(given))
        if broken or not self._is_plain:
            kept = self._judged(given, records, broken, into, refuse=refuse)
            records = [records[at] for at in kept]
        into.effects += [
            wire.Effect(self._port.id, part.partition, part.count, part.entries, part.subject)
            for part in self._encoder.entries(records)
        ]
        return kept, records

    def pairs(self, records: Sequence[Any]) -> list[Pair]:
        """Published records under their keys."""
        return list(zip(map(self._encoder.key, records), records, strict=True))

    def unfit(self, pairs: Sequence[Pair], into: Into) -> dict[int, list[Violation]]:
        """Which of the records that keep the schema the rules keep from the port, by index, and why. The others take
        their values, and what each check came to is in the buffer."""
        if self._is_plain:
            return {}
        records = [record for _, record in pairs]
        verdict = self._decided(records, into)
        for result in verdict.results:
            into.check(result)
        found: dict[int, list[Violation]] = {}
        for violation in (*verdict.refused, *chain.from_iterable(verdict.aside.values())):
            for at in range(len(records)) if violation.index < 0 else (violation.index,):
                if records[at] is not None:
                    found.setdefault(at, []).append(violation)
        if found:
            verdict = self._decided([None if at in found else record for at, record in enumerate(records)], into)
        self._take(verdict, into)
        return found

    def withheld(self, record: Any, port: str, why: list[Violation]) -> wire.Effect:
        """A record of this port, set aside on its way to another version of it."""
        held, subject = self._held(plain(record), why)
        return wire.Effect(quarantine_topic(port), 0, 1, _encode((held.id, held)), subject)

    def _judged(
        self, rows: list[Any], records: list[Any], broken: list[Violation], into: Into, *, refuse: bool
    ) -> list[int]:
        """Which rows are published; what is set aside, and what each check came to, are in the buffer."""
        verdict = self._decided(records, into, broken)
        for result in verdict.results:
            into.check(result)
        refused = verdict.refused or (refuse and [one for found in verdict.aside.values() for one in found])
        if refused:
            raise ContractViolation(self._port.id, refused)
        self._take(verdict, into)
        into.effects += self._set_aside(rows, verdict)
        return verdict.kept

    def _decided(self, records: list[Any], into: Into, broken: Sequence[Violation] = ()) -> Verdict:
        return self._judge.decide(records, broken, _Standing(self._port.id, into, self._server))

    def _take(self, verdict: Verdict, into: Into) -> None:
        for rule, digest, owner in verdict.claims:
            into.take(wire.Unique(self._port.id, rule, digest, owner))

    def _set_aside(self, rows: list[Any], verdict: Verdict) -> list[wire.Effect]:
        topic, effects = quarantine_topic(self._port.id), []
        for at, violations in verdict.aside.items():
            held, subject = self._held(plain(rows[at]), violations)
            effects.append(wire.Effect(topic, 0, 1, _encode((held.id, held)), subject))
        return effects

    def _held(self, row: Mapping[str, Any] | None, violations: list[Violation]) -> tuple[Held, str | None]:
        """What the log keeps of a row, and the person under whose key. Where the contract names a person and the row
        does not, it keeps what is not personal."""
        reasons = [Reason(v.path, v.code, v.message, v.value, v.rule) for v in violations]
        named = self._port.contract.subject
        subject = None if row is None or named is None else row.get(named)
        if row is None or (named is not None and subject is None):
            kept = {name: value for name, value in (row or {}).items() if name in self._open}
            return Held(new_run_id(), reasons, msgspec.Raw(_encode(kept)), sorted(self._open)), None
        return Held(new_run_id(), reasons, msgspec.Raw(_encode(row))), None if subject is None else str(subject)

    @property
    def _open(self) -> frozenset[str]:
        """Fields that may be kept of a record of nobody knows whom."""
        personal = {field.name for field in self._port.contract.fields if field.personal}
        return frozenset(f.name for f in self._port.contract.fields) - personal - {self._port.contract.subject or ""}


class Publisher:
    """The writers of one product's ports. `server` is asked for what stands in the log."""

    def __init__(
        self, product: str, outputs: Iterable[OutputPortSpec], server: Asks, translations: Translations
    ) -> None:
        self._product = product
        self._outputs = {port.id: port for port in outputs}
        self._server = server
        self._translations = translations
        self._writers: dict[str, Writer] = {}

    def write(self, port: OutputPort[Any], records: Record | Iterable[Record], into: Into) -> int:
        """Publishes into the buffer of a run; how many records. Raises `ContractViolation`, `AuthorError`
        (`port.not_own`, `port.unknown`)."""
        Port.checked(port, "ctx.publish(…)").check_owner(self._product)
        return self.put(port.id, [records] if isinstance(records, Record) else records, into)

    def put(self, port: str, rows: Iterable[Any], into: Into, *, refuse: bool = False) -> int:
        """As `write`, for the port of that id: the rows and, where it has a version window, their other versions.
        `refuse` sets nothing aside on the way to the port itself."""
        writer = self._writer(port)
        _, records = writer.published(rows, into, refuse=refuse)
        if records and self._translations.of(port):
            self._beside(port, writer.pairs(records), into, origin=port)
        return len(records)

    def _beside(self, port: str, pairs: Sequence[Pair], into: Into, origin: str) -> None:
        """The records of `port` in the versions beside it, and those beside these, but for where they come from."""
        for translation in self._translations.of(port):
            if translation.target != origin:
                translated = self._translated(translation, pairs, into)
                into.effects += translation.effects(translated)
                self._beside(translation.target, translated, into, origin=port)

    def _translated(self, translation: Translation, pairs: Sequence[Pair], into: Into) -> list[Pair]:
        """The records in another version; what cannot stand there is set aside on the way to it. Raises `AuthorError`
        where that is the newer one, which has every record."""
        made, failed = translation.of(pairs)
        why = {at: [Violation(at, "", error.code, error.message, rule=WINDOW)] for at, error in failed.items()}
        why |= self._writer(translation.target).unfit(made, into)
        if why and translation.is_upgrade:
            raise ContractViolation(translation.target, [one for found in why.values() for one in found])
        source = self._writer(translation.source)
        into.effects += [source.withheld(pairs[at][1], translation.target, found) for at, found in why.items()]
        return [(key, None if at in why else record) for at, (key, record) in enumerate(made)] if why else made

    def _writer(self, port: str) -> Writer:
        """The writer of the port of that id. Raises `AuthorError("port.unknown")`."""
        if port not in self._writers:
            if port not in self._outputs:
                hint = did_you_mean(port, self._outputs) or "Run 'hansa sync': its ports.py is older than product.yaml."
                raise AuthorError("port.unknown", f"{self._product} has no output port {port}", hint=hint)
            self._writers[port] = Writer(self._outputs[port], self._server)
        return self._writers[port]
