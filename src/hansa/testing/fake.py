"""A context for calling one logic in a test: it keeps what was published and emitted, and enforces the real
contracts."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from hansa.contracts.odps import PRODUCT_FILE, read_product
from hansa.errors import AuthorError
from hansa.model.product import OutputPortSpec
from hansa.model.run import CheckResult
from hansa.runtime import wire
from hansa.runtime.buffer import keys_of
from hansa.runtime.publishing import Writer
from hansa.sdk.context import Context, Output, RunInfo, State, TriggerInfo
from hansa.sdk.encode import key_text, reordered
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


class _Published:
    """Where a test's publishing goes: what was taken is remembered, nothing else is kept. `lookups` has the records
    that can be referred to, by port."""

    def __init__(self, lookups: Mapping[Port[Any], Sequence[Record]]) -> None:
        self.effects: list[wire.Effect] = []
        self.checks: list[CheckResult] = []
        self._taken: dict[tuple[str, str, str], str] = {}
        self._lookups = {port.id: (port.key, records) for port, records in lookups.items()}

    def ask(self, what: str, arguments: Any) -> Any:
        """There is no log: nobody else has taken anything, and what can be referred to was given."""
        if what != "absent":
            return {}
        port, to, keys = arguments
        order, records = self._lookups.get(port, (to, ()))
        known = {key_text([getattr(record, name) for name in order]) for record in records}
        return [key for key in keys if reordered(key, to, order) not in known]

    def keys(self, port: str) -> set[str]:
        return set(keys_of(self.effects, port))

    def owners(self, port: str, rule: str, digests: Sequence[str]) -> dict[str, str]:
        keys = {digest: (port, rule, digest) for digest in digests}
        return {digest: self._taken[key] for digest, key in keys.items() if key in self._taken}

    def take(self, unique: wire.Unique) -> None:
        self._taken[unique.port, unique.rule, unique.digest] = unique.owner

    def check(self, result: CheckResult) -> None:
        self.checks.append(result)


@lru_cache(maxsize=64)
def _declared(ports: Path, modified_ns: int) -> Mapping[str, OutputPortSpec]:
    """The output ports of the product whose `ports.py` this is; none where the folder is no product's."""
    del modified_ns  # the folder is read again once its ports.py has changed
    is_product = (ports.parent / PRODUCT_FILE).is_file()
    return {port.id: port for port in read_product(ports.parent).outputs} if is_product else {}


def declared_port(port: Port[Any]) -> OutputPortSpec | None:
    """What the product's files say of a port, found beside the module that has its records' class."""
    module = getattr(sys.modules.get(port.record.__module__), "__file__", None)
    return None if module is None else _declared(Path(module), Path(module).stat().st_mtime_ns).get(port.id)


class FakeContext(Context):
    """`FakeContext(lookups={hourly: [Hourly(…)]}, state={"seen": 3}, now=datetime(…))`.

    `published` maps a port's id to its records, `emitted` is a list of events as dicts. The contract that stands beside
    the product's `ports.py` is enforced: publishing a record that breaks it raises `ContractViolation`, or puts it into
    `quarantined`, and publishing to a port of another product `port.not_own`, as it would when deployed. `checks` has
    what each rule came to. Without `product`, the owner of the first port published to is the product.
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
        self.quarantined: dict[str, list[Record]] = {}
        given = {port: tuple(records) for port, records in (lookups or {}).items()}
        self._into = _Published(given)
        self._writers: dict[str, Writer] = {}
        self.checks = self._into.checks
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
            for port, records in given.items()
        }

    def publish(self, port: OutputPort[R], records: R | Iterable[R]) -> int:
        Port.checked(port, "ctx.publish(…)")
        self._product = self._product or port.id.partition("/")[0]
        port.check_owner(self._product)
        rows: list[Record] = [records] if isinstance(records, Record) else list(records)
        kept = self._kept(port, rows)
        self.published.setdefault(port.id, []).extend(rows[at] for at in kept)
        if aside := sorted(set(range(len(rows))) - set(kept)):
            self.quarantined.setdefault(port.id, []).extend(rows[at] for at in aside)
        return len(kept)

    def _kept(self, port: OutputPort[Any], rows: list[Record]) -> Sequence[int]:
        """Which of the rows are published, by the contract that the product's files have, else by the class."""
        declared = declared_port(port)
        if declared is None:
            port.encode(rows)
            return range(len(rows))
        if port.id not in self._writers:
            self._writers[port.id] = Writer(declared, self._into)
        return self._writers[port.id].write(rows, self._into)

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
