"""A context for calling one logic in a test: it keeps what was published and emitted, and enforces the real
contracts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from hansa.errors import AuthorError
from hansa.sdk.context import Context, Output, RunInfo, State, TriggerInfo
from hansa.sdk.ports import OutputPort, Port, Record

R = TypeVar("R", bound=Record)


class FakeOutput(Output):
    """Keeps the lines as (level, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, text: str, **fields: Any) -> None:
        told = "".join(f" {name}={value!r}" for name, value in fields.items())
        self.lines.append((level, text + told))


class FakeState(State):
    """State in a dict, with values as plain as the real one keeps them."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, bytes] = {}
        for key, value in (values or {}).items():
            self.put(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        return msgspec.msgpack.decode(self.values[key]) if key in self.values else default

    def put(self, key: str, value: Any) -> None:
        self.values[key] = msgspec.msgpack.encode(value)

    def remove(self, key: str) -> None:
        self.values.pop(key, None)

    def keys(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self.values if key.startswith(prefix)))


class FakeContext(Context):
    """`FakeContext(lookups={hourly: [Hourly(…)]}, state={"seen": 3}, now=datetime(…))`.

    `published` maps a port's id to its records, `emitted` is a list of events as dicts. Publishing a record that breaks
    its contract raises `ContractViolation`, and to a port of another product `port.not_own`, as it would when deployed;
    without `product`, the owner of the first port published to is the product.
    """

    def __init__(
        self,
        *,
        lookups: Mapping[Port[Any], Iterable[Record]] | None = None,
        state: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        calls: Mapping[str, Any] | None = None,
        trigger: TriggerInfo | None = None,
        position: Any = None,
        now: datetime | None = None,
        product: str | None = None,
    ) -> None:
        self._product = product
        self.published: dict[str, list[Record]] = {}
        self.emitted: list[dict[str, Any]] = []
        self.called: list[tuple[str, Any]] = []
        self.trigger = trigger or TriggerInfo("manual")
        self.run = RunInfo("018f0000-0000-7000-8000-000000000000", "test", product or "test.product", "test")
        self.scratch: dict[str, Any] = {}
        self.secrets = dict(secrets or {})
        self.output = FakeOutput()
        self.state = FakeState(state)
        self.position = position
        self._now = now or datetime(2024, 1, 1, tzinfo=UTC)
        self._calls = dict(calls or {})
        self._numbers = itertools.count(1)
        self._lookups = {
            port.id: {tuple(getattr(record, name) for name in port.key): record for record in records}
            for port, records in (lookups or {}).items()
        }

    def publish(self, port: OutputPort[R], records: R | Iterable[R]) -> None:
        self._product = self._product or port.id.partition("/")[0]
        port.check_owner(self._product)
        rows = [records] if isinstance(records, Record) else list(records)
        port.encode(rows)
        self.published.setdefault(port.id, []).extend(rows)

    def emit(
        self,
        name: str,
        *,
        source: str | None = None,
        target: str | None = None,
        payload: Any = None,
        key: str | None = None,
    ) -> None:
        msgspec.msgpack.encode(payload)
        self.emitted.append(
            {"name": name, "source": source or self.run.product, "target": target, "payload": payload, "key": key}
        )

    def lookup(self, port: Port[R], /, **key: Any) -> R | None:
        if set(key) != set(port.key):
            raise AuthorError("lookup.key", f"{port.id} is looked up by {', '.join(port.key)}, not by {', '.join(key)}")
        found: R | None = self._lookups.get(port.id, {}).get(tuple(key[name] for name in port.key))  # type: ignore[assignment]
        return found

    def call(self, process: str, payload: Any = None, *, key: str | None = None) -> Any:
        self.called.append((process, payload))
        del key  # nothing is called twice here
        if process not in self._calls:
            raise AuthorError(
                "process.unknown", f"The test gave no result for {process}", hint="FakeContext(calls={…})"
            )
        result = self._calls[process]
        return result(payload) if callable(result) else result

    def now(self) -> datetime:
        return self._now

    def uuid(self) -> UUID:
        return UUID(int=(0x018F << 112) | (7 << 76) | (0b10 << 62) | next(self._numbers))
