"""From what a logic publishes to what its run commits, port by port: check → judge → encode → effects.

What is enforced is the contract that the revision declares, compiled once, not the class that the author's code
happens to use. A worker has one `Publisher`; it makes the writer of a port at the first record for it and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from hansa.contracts.check import Validator, hidden_fields
from hansa.contracts.quality.judge import Judge, Verdict
from hansa.contracts.quality.rules import compile_rules
from hansa.errors import AuthorError
from hansa.model.ids import did_you_mean
from hansa.model.product import OutputPortSpec
from hansa.model.quarantine import Held, Reason, quarantine_topic
from hansa.model.run import CheckResult, new_run_id
from hansa.runtime import wire
from hansa.sdk.encode import ContractViolation, Violation, plain
from hansa.sdk.ports import OutputPort, Port, Record

_encode: Final = msgspec.msgpack.Encoder(enc_hook=str).encode


class Into(Protocol):
    """Where the outcome of publishing goes: the buffer of a run."""

    effects: list[wire.Effect]

    def owners(self, port: str, rule: str, digests: Sequence[str]) -> dict[str, str]: ...

    def take(self, unique: wire.Unique) -> None: ...

    def check(self, result: CheckResult) -> None: ...


class Asks(Protocol):
    """The way to the server."""

    def ask(self, what: str, arguments: Any) -> Any: ...


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
        return kept

    def _judged(
        self, rows: list[Any], records: list[Any], broken: list[Violation], into: Into, *, refuse: bool
    ) -> list[int]:
        """Which rows are published; what is set aside, and what each check came to, are in the buffer."""
        verdict = self._judge.decide(records, broken, lambda rule, digests: self._owners(rule, digests, into))
        for result in verdict.results:
            into.check(result)
        refused = verdict.refused or (refuse and [one for found in verdict.aside.values() for one in found])
        if refused:
            raise ContractViolation(self._port.id, refused)
        for rule, digest, owner in verdict.claims:
            into.take(wire.Unique(self._port.id, rule, digest, owner))
        into.effects += self._set_aside(rows, verdict)
        return verdict.kept

    def _owners(self, rule: str, digests: list[str], into: Into) -> dict[str, str]:
        """Whose the values are that are taken: by what the run has published, and by what stands in the log."""
        own = into.owners(self._port.id, rule, digests)
        others = [digest for digest in digests if digest not in own]
        return {**self._server.ask("unique", [self._port.id, rule, others]), **own} if others else own

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

    def __init__(self, product: str, outputs: Iterable[OutputPortSpec], server: Asks) -> None:
        self._product = product
        self._outputs = {port.id: port for port in outputs}
        self._server = server
        self._writers: dict[str, Writer] = {}

    def write(self, port: OutputPort[Any], records: Record | Iterable[Record], into: Into) -> int:
        """Publishes into the buffer of a run; how many records. Raises `ContractViolation`, `AuthorError`
        (`port.not_own`, `port.unknown`)."""
        Port.checked(port, "ctx.publish(…)").check_owner(self._product)
        return len(self.writer(port.id).write([records] if isinstance(records, Record) else records, into))

    def writer(self, port: str) -> Writer:
        """The writer of the port of that id. Raises `AuthorError("port.unknown")`."""
        if port not in self._writers:
            if port not in self._outputs:
                hint = did_you_mean(port, self._outputs) or "Run 'hansa sync': its ports.py is older than product.yaml."
                raise AuthorError("port.unknown", f"{self._product} has no output port {port}", hint=hint)
            self._writers[port] = Writer(self._outputs[port], self._server)
        return self._writers[port]
