"""A port as a topic of its own for clients that know nothing of Hansa: which ports are published so, how the topic is
kept, and what stands on it for the entries of the log. Pure.

A record is a CloudEvent in binary mode (CloudEvents 1.0, Kafka protocol binding, section 3.2): its attributes are
headers `ce_…`, its value is the record in the port's wire format behind the framing of schema registries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from hansa.contracts.schemas.wire import WireCodec, WireSchema
from hansa.contracts.types import class_name, record_type, singular
from hansa.errors import AuthorError
from hansa.eventlog.interface import Chunk, split
from hansa.model.ids import PortId
from hansa.model.product import ContractSpec, OutputPortSpec, PortKind, ProductSpec
from hansa.model.topic import topic_name
from hansa.outputs.feed import event_type, port_urn
from hansa.views.times import time_text

_KINDS: Final = frozenset({PortKind.STREAM, PortKind.TABLE, PortKind.LOOKUP})
_TYPES: Final = {"avro": b"application/avro", "json": b"application/json", "protobuf": b"application/protobuf"}
_NIL: Final = b"\xc0"
PERSON: Final = "hansa_person"
"""The header with the number of the person whose record it is: a pseudonym, by which it is found again."""


class Message(NamedTuple):
    """A record as it stands on a topic; `value` None says that there is no record of that key any more. `position` is
    its place in the log."""

    position: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    time_ms: int


def is_published(port: OutputPortSpec) -> bool:
    """Whether a port has a topic outside of Hansa's log. One whose records are a person's has one only where its
    contract names it: what stands there is in clear, and forgetting does not reach it."""
    return port.kind in _KINDS and (port.contract.subject is None or port.contract.on_kafka)


def keeps_latest(port: OutputPortSpec) -> bool:
    """Whether the topic keeps the last record of each key, and no others."""
    return port.kind is not PortKind.STREAM and bool(port.contract.key)


def topic_config(port: OutputPortSpec) -> dict[str, str]:
    """How the topic keeps its records: as long as the contract says; of a lookup and a table, the last of each key."""
    is_latest = keeps_latest(port)
    is_limited = port.retention_s is not None
    policy = ["compact"] * is_latest + ["delete"] * (is_limited or not is_latest)
    kept_ms = -1 if port.retention_s is None else int(port.retention_s * 1000)
    return {"cleanup.policy": ",".join(policy), "retention.ms": str(kept_ms)}


def notes_on(spec: ProductSpec) -> list[str]:
    """What should be known of topics with records of persons, before they are published."""
    return [
        f"{port.id}: its contract names a server of type kafka, so records that are a person's stand in clear on the"
        f" topic {topic_name(PortId.parse(port.id))}; {_when_forgotten(port)}"
        for port in spec.outputs
        if port.contract.subject is not None and is_published(port)
    ]


def _when_forgotten(port: OutputPortSpec) -> str:
    if keeps_latest(port):
        return "when a person is forgotten their keys are deleted there, and Kafka takes the bytes when it compacts"
    return f"forgetting a person does not reach what stands there, it goes {_until(port)}"


def _until(port: OutputPortSpec) -> str:
    if port.retention_s is not None:
        return f"after {port.retention_s / 86_400:g} days, when Kafka's retention takes it"
    return "never, since the contract keeps records for good"


class Encoding:
    """The records of a port that one revision wrote, as messages. Raises `AuthorError("schema.unrepresentable")`."""

    def __init__(self, port: PortId, contract: ContractSpec, schema: WireSchema, number: int) -> None:
        name = class_name(singular(port.name)) or "Record"
        self._decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(record_type(name, contract)).decode
        self._codec = WireCodec(contract, schema, number)
        self._about = (
            ("ce_specversion", b"1.0"),
            ("ce_type", event_type(port).encode()),
            ("ce_source", port_urn(port).encode()),
        )
        self._content = (("content-type", _TYPES[schema.format]),)

    def messages(self, chunk: Chunk, begin: int) -> Iterator[Message]:
        """Those of a chunk from position `begin` on; none for what is blank. Raises
        `AuthorError("value.unrepresentable")`."""
        if chunk.is_blank:
            return
        shared = (*self._about, ("ce_time", time_text(chunk.time_us).encode()), *_extensions(chunk))
        for position, (key, body) in enumerate(split(chunk.entries, chunk.count), chunk.base):
            if position >= begin and not (key is None and bytes(body) == _NIL):
                yield self._message(chunk, position, key, bytes(body), shared)

    def _message(
        self, chunk: Chunk, position: int, key: str | None, body: bytes, shared: tuple[tuple[str, bytes], ...]
    ) -> Message:
        name = b"%d-%020d" % (chunk.partition, position)
        subject = () if key is None else (("ce_subject", key.encode()),)
        is_deletion = body == _NIL
        value = None if is_deletion else self._value(position, body)
        headers = (("ce_id", name), *shared, *subject, *(() if is_deletion else self._content))
        return Message(position, None if key is None else key.encode(), value, headers, chunk.time_us // 1000)

    def _value(self, position: int, body: bytes) -> bytes:
        try:
            return self._codec.encode(self._decode(body))
        except (msgspec.MsgspecError, ValueError, TypeError) as failure:
            raise AuthorError(
                "value.unrepresentable",
                f"The record at position {position} is not what its revision's contract says: {failure}",
                hint="Report this with the text above: the record was checked when it was published.",
            ) from failure


def _extensions(chunk: Chunk) -> Iterator[tuple[str, bytes]]:
    if run := chunk.header.get("run"):
        yield "ce_run", str(run).encode()
    if trace := chunk.header.get("trace"):
        yield "traceparent", str(trace).encode()
    if chunk.person is not None:
        yield PERSON, b"%d" % chunk.person


class Published(NamedTuple):
    """A port and the name of its topic."""

    port: OutputPortSpec
    topic: str


class Standing(NamedTuple):
    """Where a group stands: at the record of `position`, written at `time_us`; or behind all that is published, where
    it `is_level`."""

    group: str
    topic: str
    partition: int
    position: int
    is_level: bool
    time_us: int = 0


def published(specs: Iterable[ProductSpec], prefix: str) -> dict[str, Published]:
    """By id, the ports of these products that have a topic."""
    return {
        port.id: Published(port, prefix + topic_name(PortId.parse(port.id)))
        for spec in specs
        for port in spec.outputs
        if is_published(port)
    }
