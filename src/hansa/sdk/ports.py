"""Records and the typed handles of ports, which `hansa sync` generates into a product's `ports.py`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import msgspec
import msgspec.structs

from hansa.errors import AuthorError
from hansa.model.ids import did_you_mean
from hansa.sdk.encode import Encoded, RecordEncoder, Violation

PortKindName = Literal["stream", "table", "lookup", "api", "prediction"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row of a port's data. Two records are equal when their fields are; none can be changed once made.

    Making one checks nothing: contracts bite where a record is published.
    """


R = TypeVar("R", bound=Record)


class Port(Generic[R]):
    """A port's handle. `id` is `domain.product/port@major`, `key` the contract's fields that identify and order
    records.

    Handles are values: two with the same id are equal.
    """

    def __init__(
        self,
        port_id: str,
        record: type[R],
        *,
        key: tuple[str, ...] = (),
        kind: PortKindName = "stream",
        partitions: int = 1,
        subject: str | None = None,
    ) -> None:
        self.id = port_id
        self.record = record
        self.key = key
        self.kind = kind
        self.partitions = partitions
        self.subject = subject

    @property
    def name(self) -> str:
        """The port's own name, without its product and major version."""
        return self.id.rpartition("/")[2].partition("@")[0]

    @cached_property
    def decoder(self) -> msgspec.msgpack.Decoder[R]:
        """Reads one record of the port."""
        return msgspec.msgpack.Decoder(self.record)

    @staticmethod
    def checked(port: object, where: str) -> Port[Any]:
        """`port`, if it is the handle of one; raises `AuthorError("port.not_handle")`, saying how to get it."""
        if isinstance(port, Port):
            return port
        name = port.rpartition("/")[2].partition("@")[0] if isinstance(port, str) else "departures"
        raise AuthorError(
            "port.not_handle",
            f"{where} takes a port, not {port!r}",
            hint=f"Import its handle: 'from .ports import {name}'.",
        )

    def check_owner(self, product: str) -> None:
        """Raises `AuthorError("port.not_own")` where the port is not an output port of `product`."""
        owner = self.id.partition("/")[0]
        if owner != product:
            raise AuthorError(
                "port.not_own",
                f"{product} cannot publish to {self.id}: it belongs to {owner}",
                hint="Publish to an output port of this product, or call a process of the other one.",
            )

    def check_field(self, name: str) -> None:
        """Raises `AuthorError("port.field_unknown")` where the port's records have no such field."""
        known = [field.encode_name for field in msgspec.structs.fields(self.record)]
        if name not in known:
            raise AuthorError(
                "port.field_unknown",
                f"The records of {self.id} have no field {name!r}",
                hint=did_you_mean(name, known) or f"They have {', '.join(known)}.",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Port) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


class InputPort(Port[R]):
    """Another product's output port that this product reads."""


class OutputPort(Port[R]):
    """A port that this product publishes to. Nothing that breaks the port's contract gets through `encode`."""

    @cached_property
    def encoder(self) -> RecordEncoder:
        return RecordEncoder(self.id, self.record, self.key, partitions=self.partitions, subject=self.subject)

    def encode(self, records: Iterable[R]) -> list[Encoded]:
        """The records as entries of the log; raises `ContractViolation` with every violation, and then encodes none."""
        return self.encoder.encode(records)

    def validate(self, records: Iterable[object]) -> list[Violation]:
        """Everything that is wrong with the records; empty where `encode` would take them all."""
        return self.encoder.validate(records)
