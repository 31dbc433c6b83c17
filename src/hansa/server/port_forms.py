"""Output ports and their records as the API takes and answers them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from hansa.model.product import ContractSpec, PortKind
from hansa.outputs import stream
from hansa.server.forms import Moment, Time

FEED: Final = "application/cloudevents-batch+json"


class RecordsQuery(msgspec.Struct):
    """`position` or `time` is where to begin; `lastEventId` and `timeout` (ms) are those of HTTP Feeds. `select` names
    the fields to answer with, comma between them: who asks for those alone is not hit by a change of another."""

    position: str | None = None
    time: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=stream.LIMIT_MAX)] | None = None
    where: str | None = None
    select: str | None = None
    token: str | None = None
    lastEventId: str | None = None  # noqa: N815
    timeout: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0


class PortSummary(msgspec.Struct, frozen=True):
    """A live output port in one line."""

    id: str
    kind: PortKind
    version: str
    product: str
    description: str


class Bounds(msgspec.Struct, frozen=True):
    """The first position of a partition, and the one behind its last."""

    first: int
    end: int


class PortReader(msgspec.Struct, frozen=True):
    """A process that follows a port, and how many records it has not read yet."""

    process: str
    lag_records: int


class ReaderItem(msgspec.Struct, frozen=True):
    """Who reads a port: a process, or an account with a token. `fields` are those that it asked for; `*` is all."""

    who: str
    kind: Literal["process", "account"]
    token: str
    last: Moment
    count: int
    fields: list[str]


class PortDetail(msgspec.Struct, frozen=True):
    """A port with its contract, the bounds of its partitions by their number, and who follows it."""

    id: str
    kind: PortKind
    version: str
    description: str
    contract: ContractSpec
    partitions: int
    bounds: dict[str, Bounds]
    subscriptions: list[PortReader]


class RecordItem(msgspec.Struct, frozen=True):
    """A record where it stands in its port. `record` is None where it was deleted; `run` published it."""

    position: int
    partition: int
    time: Moment
    key: str | None
    run: str | None
    record: Any


class RecordPage(msgspec.Struct, frozen=True):
    """Records in order; `next` is where to go on, `more` says that there is more already."""

    items: list[RecordItem]
    next: str
    more: bool


class RecordEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record as a CloudEvent 1.0 of an HTTP Feed; `dataschema` leads to its contract. A deletion has `method: DELETE`
    and no data."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: Moment
    subject: str | None = None
    run: str | None = None
    method: Literal["DELETE"] | None = None
    datacontenttype: Literal["application/json"] | None = None
    dataschema: str | None = None
    data: Any = None


class LookedUp(msgspec.Struct, frozen=True):
    """The latest record of a key, and the position up to which the lookup has read its port."""

    record: Any
    position: int
