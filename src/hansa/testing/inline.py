"""Products in this process, on a log in memory: for tests, and for a debugger (`hansa dev --inline`).

The same railway, contracts and commit decisions as a deployed Hansa; no workers, no isolation, nothing durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.contracts.odps import read_product
from hansa.contracts.seal import check_seal
from hansa.egress.broker import Broker
from hansa.errors import CallerError, HansaError
from hansa.eventlog.interface import Advance, Append, CommitSet, Committed, Outcome, Put, TopicConfig, split
from hansa.eventlog.memory import MemoryLog
from hansa.model.product import EventTrigger, PortTrigger, ProductSpec
from hansa.model.quarantine import Held, Reason, quarantine_topic, unique_scope
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC, new_run_id
from hansa.runtime import wire
from hansa.runtime.attempt import Serving
from hansa.runtime.context import CappedOutput
from hansa.runtime.doors import connection_for
from hansa.runtime.entries import taking
from hansa.runtime.stops import Place
from hansa.runtime.traces import PACKAGE
from hansa.sdk.encode import reordered
from hansa.sdk.finding import plan_error
from hansa.sdk.load import load_product
from hansa.sdk.plan import compile_product
from hansa.sdk.ports import OutputPort, Port, Record
from hansa.triggers.batches import taken
from hansa.triggers.routes import Routes
from hansa.triggers.subscriptions import filter_of

_encode: Final = msgspec.msgpack.Encoder().encode
ROUNDS_MAX: Final = 10_000


class Failed(HansaError):
    """A run that failed: its error's code, message and traceback (in `details`)."""


class _Loaded:
    def __init__(self, spec: ProductSpec, serving: Serving) -> None:
        self.spec = spec
        self.serving = serving


class InlineHansa:
    """`load` products, `feed` their inputs, `call` their routes or processes, `settle` what follows, `read` ports."""

    def __init__(self, broker: Broker | None = None) -> None:
        self._log = MemoryLog()
        self._outcome: Outcome | None = None
        self._log.start(self._told)
        self._products: dict[str, _Loaded] = {}
        self._lookups: dict[str, _Lookup] = {}
        self._keys: dict[str, Sequence[str]] = {}
        """By port, the fields that identify its records."""
        self._broker = broker
        self.runs: list[wire.Done] = []
        """How every run so far has ended, in order."""
        for topic in (RUNS_TOPIC, EVENTS_TOPIC):
            self._log.declare(topic, TopicConfig())

    def _told(self, notice: list[tuple[Any, Outcome]]) -> None:
        self._outcome = notice[-1][1]

    def load(self, folder: Path | str) -> ProductSpec:
        """Loads a product folder as a deployment would. Raises `PlanError` with what is wrong."""
        folder = Path(folder).resolve()
        declared = read_product(folder)
        check_seal(folder, declared)
        package = f"{PACKAGE}{declared.id.replace('.', '_')}_{len(self._products)}_{id(self):x}"
        product = load_product(folder, package)
        spec, findings = compile_product(product, declared)
        if findings:
            raise plan_error(findings)
        door = _Door(self, spec)
        serving = Serving(
            product, spec.id, "inline", door=door, lookup=self._lookup,
            connection=connection_for(door, product), output=CappedOutput(declared.limits.output_max_bytes),
            outputs=declared.outputs,
        )  # fmt: skip
        self._products[spec.id] = _Loaded(spec, serving)
        for port in spec.outputs:
            self._log.declare(port.id, TopicConfig(port.partitions))
            self._keys[port.id] = port.contract.key
            self._log.declare(quarantine_topic(port.id), TopicConfig())
        for process in spec.processes:
            for trigger in process.triggers:
                if isinstance(trigger, PortTrigger):
                    self._log.declare(trigger.port, TopicConfig())
        return spec

    def _lookup(self, port: str) -> _Lookup:
        if port not in self._lookups:
            self._lookups[port] = _Lookup(self._log, port)
        return self._lookups[port].follow()

    # Feeding and asking

    def feed(self, port: Port[Any] | str, records: Iterable[Record] | Record) -> None:
        """Records as if their producer had published them; they must keep the port's contract. Then `settle`s."""
        rows = [records] if isinstance(records, Record) else list(records)
        handle = self._handle(port, rows)
        self._log.declare(handle.id, TopicConfig(handle.partitions))
        self._keys.setdefault(handle.id, handle.key)
        appends = tuple(
            Append(handle.id, part.partition, part.count, part.entries, {"run": "fed"}) for part in handle.encode(rows)
        )
        self._commit(CommitSet(appends=appends))
        self.settle()

    def _handle(self, port: Port[Any] | str, rows: list[Record]) -> OutputPort[Any]:
        if isinstance(port, Port):
            return OutputPort(port.id, port.record, key=port.key, partitions=port.partitions, subject=port.subject)
        return OutputPort(port, type(rows[0]))

    def call(
        self,
        target: str,
        body: Any = None,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Calls a route (`POST /shop/orders`) or a process (`shop.orders:place`, or `place` where one product is
        loaded).

        Returns the decoded result; raises `Failed` where the run failed, and `CallerError` with the problem's code
        where it was answered with one. `status` of the last run is in `runs[-1]`.
        """
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        pairs = [(n.lower().encode(), v.encode()) for n, v in (headers or {}).items()]
        method, _, path = target.partition(" ")
        if path:
            loaded, process, values = self._route(method, path)
            source = wire.Source("http", data, content_type, values, dict(query or {}), pairs, method, path)
        else:
            loaded, process = self._process(target)
            source = wire.Source("manual", data, content_type)
        done = self._run(loaded, process, source, [], ())
        self.settle()
        return result_of(done)

    def read(self, port: Port[Any] | str) -> list[Any]:
        """All records of a port, in order: of the port's class where its handle is given, else as dicts."""
        if isinstance(port, Port):
            return [msgspec.msgpack.decode(body, type=port.record) for _, body in self._entries(port.id)]
        return [msgspec.msgpack.decode(body) for _, body in self._entries(port)]

    def quarantined(self, port: Port[Any] | str) -> list[tuple[Any, list[Reason]]]:
        """What was set aside on its way to a port, in order, each record as a dict and with the reasons."""
        topic = quarantine_topic(port.id if isinstance(port, Port) else port)
        held = [msgspec.msgpack.decode(body, type=Held) for _, body in self._entries(topic)]
        return [(msgspec.msgpack.decode(one.record), one.reasons) for one in held]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """All events, or those of one name, in order."""
        found = [msgspec.msgpack.decode(body) for _, body in self._entries(EVENTS_TOPIC)]
        return [event for event in found if name in (None, event["name"])]

    def _entries(self, topic: str) -> list[tuple[str | None, Any]]:
        found: list[tuple[str | None, Any]] = []
        for partition in range(self._log.topics()[topic].partitions):
            for chunk in self._log.read(topic, partition, 0, max_bytes=1 << 40):
                found += split(chunk.entries, chunk.count)
        return found

    # Running

    def settle(self) -> None:
        """Works subscriptions until none has anything left to read."""
        for _ in range(ROUNDS_MAX):
            if not sum(self._follow(loaded, p.name, t) for loaded, p, t in self._subscriptions()):
                return
        raise CallerError(
            "settle.endless", f"Not quiet after {ROUNDS_MAX} rounds", hint="Do two processes feed each other?"
        )

    def _subscriptions(self) -> list[tuple[_Loaded, Any, PortTrigger | EventTrigger]]:
        return [
            (loaded, process, trigger)
            for loaded in self._products.values()
            for process in loaded.spec.processes
            for trigger in process.triggers
            if isinstance(trigger, PortTrigger | EventTrigger)
        ]

    def _follow(self, loaded: _Loaded, process: str, trigger: PortTrigger | EventTrigger) -> bool:
        topic = trigger.port if isinstance(trigger, PortTrigger) else EVENTS_TOPIC
        group, progress = f"{loaded.spec.id}:{process}<{topic}", False
        accepts = filter_of(trigger)
        for partition in range(self._log.topics()[topic].partitions):
            position = at = self._log.position(group, topic, partition) or 0
            records: list[wire.Records] = []
            for chunk in self._log.read(topic, partition, position):
                part, at = taken(chunk, at, trigger.batch - sum(r.count for r in records), accepts)
                records += [part] if part is not None else []
                if sum(r.count for r in records) >= trigger.batch:
                    break
            if at == position:
                continue
            progress = True
            advance = Advance(group, topic, partition, at, position)
            if records:
                source = wire.Source(trigger.kind, detail={"topic": topic, "single": trigger.single})
                self._run(loaded, process, source, records, (advance,))
            else:
                self._commit(CommitSet(advances=(advance,)))
        return progress

    def _run(
        self,
        loaded: _Loaded,
        process: str,
        source: wire.Source,
        records: list[wire.Records],
        advances: tuple[Advance, ...],
    ) -> wire.Done:
        run = new_run_id()
        task = wire.Task(1, process, run, 1, "test", _encode(source), records)
        header = {"run": run, "product": loaded.spec.id, "process": process}
        scope = f"state:{loaded.spec.id}:{process}"
        done: wire.Done | None = None
        caller, self._running = self._running, process
        for done in loaded.serving.work(task, on_step=lambda _: None):
            appends = tuple(Append(e.topic, e.partition, e.count, e.entries, header) for e in done.effects)
            puts = (*(Put(scope, put.key, put.value, put.expected) for put in done.puts), *taking(done.taken))
            self._commit(CommitSet(appends=appends, puts=puts, advances=advances if done.chunk is None else ()))
        self._running = caller
        assert done is not None
        self.runs.append(done)
        return done

    def _commit(self, commit: CommitSet) -> None:
        self._log.submit(commit, None)
        if not isinstance(self._outcome, Committed):
            raise CallerError("commit.refused", str(self._outcome))

    # Finding

    def _process(self, name: str) -> tuple[_Loaded, str]:
        product, colon, process = name.partition(":")
        if not colon and len(self._products) == 1:
            product, process = next(iter(self._products)), name
        loaded = self._products.get(product)
        if loaded is None or loaded.spec.process(process) is None:
            raise CallerError("process.unknown", f"There is no process {name!r}", hint="Load its product first.")
        return loaded, process

    def _route(self, method: str, path: str) -> tuple[_Loaded, str, dict[str, str]]:
        loaded = self._products.values()
        named: Any = [(one.spec, {p.name: _Named(p.name, one) for p in one.spec.processes}) for one in loaded]
        table = Routes(named)
        matched = table.match(method, path)
        if matched is None:
            known = ", ".join(f"{route.method} {route.path}" for route in table.routes)
            raise CallerError("route.unknown", f"There is no route {method} {path}", hint=f"There are {known}.")
        route, values = matched
        start: Any = route.starts[0][0]
        return start.loaded, start.name, values

    def ask(self, spec: ProductSpec, what: str, arguments: Any) -> Any:
        """What author code asks the server for."""
        if what == "state":
            operation, name = arguments
            scope = f"state:{spec.id}:{self._running}"
            if operation == "get":
                return self._log.get(scope, name)
            return [key for key, _ in self._log.scan(scope) if key.startswith(name)]
        if what == "unique":
            port, rule, digests = arguments
            found = ((digest, self._log.get(unique_scope(port, rule), digest)) for digest in digests)
            return {digest: owner.decode() for digest, owner in found if owner is not None}
        if what == "absent":
            port, to, keys = arguments
            known = self._lookup(port) if port in self._log.topics() else None
            order = self._keys.get(port, to)
            return [key for key in keys if known is None or known.get(reordered(key, to, order)) is None]
        if what == "call":
            process, payload, _ = arguments
            loaded, name = self._process(process if ":" in process else f"{spec.id}:{process}")
            done = self._run(loaded, name, wire.Source("call", payload, "application/json"), [], ())
            error = None if done.state == "succeeded" and not done.error else msgspec.to_builtins(done.error)
            return {"error": error, "result": done.result}
        raise CallerError(
            f"{what}.unavailable", f"A test has no {what}s", hint="Use FakeContext for logic that needs one."
        )

    _running = ""


class _Named:
    def __init__(self, name: str, loaded: _Loaded) -> None:
        self.name = name
        self.loaded = loaded


class _Door:
    def __init__(self, hansa: InlineHansa, spec: ProductSpec) -> None:
        self.place = Place()
        self._hansa = hansa
        self._spec = spec

    def ask(self, what: str, arguments: Any) -> Any:
        return self._hansa.ask(self._spec, what, arguments)


class _Lookup:
    """The read model of one port: it follows the log, and takes what came since it was last asked."""

    def __init__(self, log: MemoryLog, port: str) -> None:
        self._log = log
        self._port = port
        self._next: dict[int, int] = {}
        self._latest: dict[str | None, bytes] = {}

    def follow(self) -> _Lookup:
        """Reads on to the end of the log."""
        for partition in range(self._log.topics()[self._port].partitions):
            for chunk in self._log.read(self._port, partition, self._next.get(partition, 0), max_bytes=1 << 40):
                self._latest.update((key, bytes(body)) for key, body in split(chunk.entries, chunk.count))
                self._next[partition] = chunk.end
        return self

    def get(self, key: str, at: int | None = None) -> bytes | None:
        del at  # a test sees the latest
        return self._latest.get(key)

    def position(self) -> int:
        return sum(self._next.values())


def result_of(done: wire.Done) -> Any:
    """The decoded result of a run; raises what it ended with."""
    if done.state != "succeeded":
        error = done.error
        assert error is not None
        raise Failed(
            error.code, error.message, hint=error.hint, details={"traceback": error.traceback, "origin": error.origin}
        )
    if done.error is not None and not done.result:
        details = {**(done.error.details or {}), "status": done.status}
        raise CallerError(done.error.code, done.error.message, hint=done.error.hint, details=details)
    return msgspec.json.decode(done.result) if "json" in done.content_type and done.result else done.result
