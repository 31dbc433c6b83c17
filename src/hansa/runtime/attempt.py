"""One attempt, from its task to its `Done`: decode the input, work the railway, encode the answer and the effects."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from hansa.errors import AuthorError
from hansa.model.product import OutputPortSpec
from hansa.model.run import LogicRun, RunError
from hansa.runtime import railway, wire
from hansa.runtime.buffer import Buffer
from hansa.runtime.composed import track_of
from hansa.runtime.context import CappedOutput, Door, Lookup, RunContext
from hansa.runtime.inputs import Inputs, trigger_info
from hansa.runtime.publishing import Publisher
from hansa.runtime.stops import IN_ORDER, Place, Scope, Turns
from hansa.runtime.traces import run_error
from hansa.runtime.translating import is_port, translate
from hansa.runtime.translation import translations
from hansa.sdk.context import RunInfo
from hansa.sdk.fit import result_of
from hansa.sdk.process import entry as entry_type
from hansa.sdk.product import DataProduct
from hansa.sdk.resolve import returned_by
from hansa.sdk.values import Chunk, Problem, Reply

JSON: Final = "application/json"
_decode_source: Final = msgspec.msgpack.Decoder(wire.Source).decode


def plain(value: Any) -> Any:
    """What JSON cannot say by itself: numpy and pandas values, sets, objects that know their own plain form."""
    for name in ("to_pylist", "to_dicts", "tolist", "item", "isoformat"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    if hasattr(value, "to_dict"):
        return value.to_dict("records") if hasattr(value, "columns") else value.to_dict()
    raise TypeError(f"{type(value).__name__} has no JSON form; return plain values, records or a Reply")


_to_json: Final = msgspec.json.Encoder(enc_hook=plain).encode
_to_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=plain).encode


class Serving:
    """A loaded product, ready to work tasks. Not thread-safe: one attempt at a time.

    `connections` makes the object that stands for a connection; `lookup` opens the read model of a port by its id.
    `outputs` are its ports as its files declare them: their contracts are what is enforced.
    """

    def __init__(
        self,
        product: DataProduct,
        product_id: str,
        revision: str,
        *,
        door: Door,
        lookup: Callable[[str], Lookup],
        connection: Callable[[str], Any],
        output: CappedOutput,
        outputs: Iterable[OutputPortSpec] = (),
        turns: Turns = IN_ORDER,
    ) -> None:
        self._product = product
        self._id = product_id
        self._revision = revision
        self._door = door
        ports = tuple(outputs)
        self._translations = translations(product, ports)
        self._publisher = Publisher(product_id, ports, door, self._translations)
        self._lookup = lookup
        self._connection = connection
        self._output = output
        self._turns = turns
        self._tracks = {name: track_of(process.flow) for name, process in product.processes.items()}
        self._inputs = {name: Inputs(process, process.input) for name, process in product.processes.items()}
        self._chunk_inputs = {
            name: Inputs(process, entry_type(process.flow[1]))
            for name, process in product.processes.items()
            if self._tracks[name].is_load
        }
        self._returns = {
            name: [returned_by(step.logic.function) for step in process.steps]
            for name, process in product.processes.items()
            if process.durability == "step"
        }
        self._resources: dict[str, Any] = {}

    def work(self, task: wire.Task, *, on_step: Callable[[wire.StepDone], None]) -> Iterator[wire.Done]:
        """The ends of the task's chunks, where it has any, and then its own. A task whose process is a port translates
        records into that version of it, and does nothing else."""
        if is_port(task.process):
            yield translate(self._translations, task)
            return
        attempt = Attempt(self, task, on_step)
        try:
            yield from attempt.run()
        except Problem as problem:
            yield attempt.answered(problem)
        except Exception as raised:
            yield attempt.failed(run_error(raised, None))
        except SystemExit as raised:
            error = RunError(
                "logic.exited", f"Its code called exit({raised.code!r})", hint="Return, or raise an error."
            )
            yield attempt.failed(error)

    def resource(self, name: str) -> Any:
        """A resource of the product, made at first use and kept as long as the worker lives."""
        if name not in self._resources:
            self._resources[name] = self._product.resources[name]()
        return self._resources[name]


class _Resources(Mapping[str, Any]):
    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def __getitem__(self, name: str) -> Any:
        return self._serving.resource(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Attempt:
    """One try of one run."""

    def __init__(self, serving: Serving, task: wire.Task, on_step: Callable[[wire.StepDone], None]) -> None:
        self._serving = serving
        self._task = task
        self._on_step = on_step
        self._began = time.perf_counter_ns()
        self._process = serving._product.processes[task.process]
        self._track = serving._tracks[task.process]
        if task.only is not None:
            self._track = self._track.only(task.only)
        self._source = _decode_source(task.source)
        self._buffer = Buffer()
        self._place = serving._door.place = Place(_prefix(task.position))
        self._began_us = now_us = time.time_ns() // 1000
        run = RunInfo(
            task.run, task.process, serving._id, serving._revision, task.attempt, task.principal, None, task.replay_of
        )
        self.ctx = RunContext(
            run, trigger_info(self._source), self._buffer, serving._door, serving._publisher,
            serving._output, serving._lookup, lambda: now_us,
            task.at, self._place,
        )  # fmt: skip
        if task.position is not None:
            self.ctx.position = msgspec.msgpack.decode(task.position)

    def run(self) -> Iterator[wire.Done]:
        if self._source.kind == wire.QUARANTINE:
            yield self._republished()
            return
        track, inputs = self._track, self._serving._inputs[self._task.process]
        if track.is_load and self._source.kind == "record":  # a record of a chunk that failed alone, by itself
            track, inputs = track.behind(1), self._serving._chunk_inputs[self._task.process]
        scope = self._scope(inputs)
        value, batch = self._value(inputs)
        scope.payload = value
        if not batch and track.is_load:
            yield from self._chunks(value, scope)
            return
        outcome = railway.run(track, value, scope, batch=batch)
        yield self._done(outcome)

    def _republished(self) -> wire.Done:
        """Records that were set aside, checked again; nothing of them is set aside once more."""
        port = self._source.detail["port"]
        rows = [msgspec.msgpack.decode(entry)[1] for part in self._task.records for entry in _raw(part)]
        self._serving._publisher.put(port, rows, self._buffer, refuse=True)
        return self._done(railway.Outcome(value={"port": port, "records": len(rows)}))

    def _value(self, inputs: Inputs) -> tuple[Any, bool]:
        """The input, and whether it is a batch whose records are worked one by one."""
        task = self._task
        if not task.records:
            if self._source.kind == "record":
                return inputs.records([wire.Records("", 0, 0, 1, 0, self._source.body)])[0], False
            return inputs.value(self._source), False
        if inputs.shape != "one":
            return inputs.records(task.records), False
        is_foreign = self._source.kind == "kafka"  # nobody's contract has checked what others send
        records = inputs.readable(task.records) if is_foreign else inputs.records(task.records)
        if len(records) == 1 and self._source.detail.get("single"):
            if isinstance(records[0], Exception):
                raise records[0]
            return records[0], False
        return records, True

    def _scope(self, inputs: Inputs) -> Scope:
        serving, task = self._serving, self._task
        sources: dict[str, Mapping[str, Any]] = {
            **inputs.arguments(self._source),
            "resource": _Resources(serving),
            "connection": _Connections(serving._connection),
        }
        scope = Scope(sources, self._buffer, self._place, self.ctx, turns=serving._turns)
        if self._process.durability == "step" and task.only is None and not self._track.is_load:
            returns = serving._returns[task.process]
            scope.journalled = {at: _journalled(step, returns[at]) for at, step in task.steps.items()}
            scope.journal = self._journal
        return scope

    def _journal(self, index: int, result: Any, effects: Buffer, mark: Any) -> None:
        step = effects.since(mark, _to_msgpack(result))
        self._on_step(wire.StepDone(self._task.seq, index, msgspec.msgpack.encode(step)))

    # Chunks

    def _chunks(self, value: Any, scope: Scope) -> Iterator[wire.Done]:
        first, rest = self._track.nodes[0], self._track.behind(1)
        total = count = 0
        position: Any = self.ctx.position
        made = first.call(value, scope)
        for chunk in made:
            if not isinstance(chunk, Chunk):
                raise TypeError(f"{first.name} yielded {type(chunk).__name__}; yield Chunk(records, position)")
            records = chunk.records if isinstance(chunk.records, list) else list(chunk.records)
            outcome = railway.run(rest, records, scope, batch=rest.nodes[0].takes_one)
            position = chunk.position
            if outcome.state == "failed":
                yield self._done(outcome)
                return
            count, total = count + 1, total + len(records)
            where = None if position is None else msgspec.msgpack.encode(position)
            done = self._done(outcome, [_to_msgpack((None, records[r.index])) for r in outcome.refused])
            yield msgspec.structs.replace(done, chunk=count, position=where)
            self._began = time.perf_counter_ns()
            if where is not None:
                self._place.begin(_prefix(where))
        summary = {"chunks": count, "records": total, "position": position}
        yield self._done(railway.Outcome(value=summary, logic=[LogicRun(first.name, "succeeded", 0)]))

    # The end

    def _done(self, outcome: railway.Outcome, refused: list[bytes] | None = None) -> wire.Done:
        """The end of the run, or of a chunk; `refused` has the entries of the records that failed alone, where they are
        not records of the task."""
        if outcome.problem is not None:
            return self.answered(outcome.problem, outcome.logic)
        if outcome.state == "failed":
            assert outcome.error is not None
            return self.failed(outcome.error, outcome.logic)
        reply = outcome.value if isinstance(outcome.value, Reply) else None
        if reply is not None:
            _check_reply(reply)
        body = outcome.value if reply is None else reply.body
        if isinstance(body, (bytes, bytearray)):
            result, content_type = bytes(body), "application/octet-stream"
        else:
            result, content_type = _to_json(body), JSON
        headers = dict(reply.headers) if reply is not None and reply.headers else None
        effects, puts = self._buffer.taken()
        uniques, checks = self._buffer.judged()
        return wire.Done(
            self._task.seq, "succeeded", 200 if reply is None else reply.status, result, content_type,
            self._spent_us(), outcome.logic, headers, outcome.error, self._serving._output.taken(), effects, puts,
            list(self.ctx.looked_up.items()), self._refused(outcome.refused, refused), outcome.dropped,
            taken=uniques, checks=checks, began_us=self._began_us,
        )  # fmt: skip

    def _refused(
        self, refused: list[railway.Refused], entries: list[bytes] | None
    ) -> list[tuple[int, bytes, RunError]]:
        if not refused:
            return []
        if entries is None:
            given = list(itertools.chain.from_iterable(_raw(part) for part in self._task.records))
            entries = [given[r.index] for r in refused]
        return [(r.index, entry, r.error) for r, entry in zip(refused, entries, strict=True)]

    def answered(self, problem: Problem, logic: list[LogicRun] | None = None) -> wire.Done:
        """The run was answered with a problem: it is done, and commits nothing but its history."""
        error = RunError(problem.code, problem.message, hint=problem.hint, details=problem.details or None)
        return wire.Done(
            self._task.seq, "succeeded", problem.status, b"", JSON, self._spent_us(), logic or [],
            error=error, output=self._serving._output.taken(), retry=False, checks=self._buffer.judged()[1],
            began_us=self._began_us,
        )  # fmt: skip

    def failed(self, error: RunError, logic: list[LogicRun] | None = None) -> wire.Done:
        """The run failed; nothing of it is committed but its history."""
        return wire.Done(
            self._task.seq, "failed", 500, b"", JSON, self._spent_us(), logic or [],
            error=error, output=self._serving._output.taken(), checks=self._buffer.judged()[1],
            began_us=self._began_us,
        )  # fmt: skip

    def _spent_us(self) -> int:
        return (time.perf_counter_ns() - self._began) // 1000


class _Connections(Mapping[str, Any]):
    def __init__(self, connection: Callable[[str], Any]) -> None:
        self._connection = connection

    def __getitem__(self, name: str) -> Any:
        return self._connection(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _prefix(position: bytes | None) -> str:
    """What the ids of a chunk begin with: the same whether the load came to it or resumed there."""
    return "" if position is None else hashlib.blake2b(position, digest_size=8).hexdigest() + "."


def _check_reply(reply: Reply[Any]) -> None:
    texts = all(isinstance(name, str) and isinstance(value, str) for name, value in reply.headers.items())
    if not isinstance(reply.status, int) or not 100 <= reply.status <= 599 or not texts:
        raise AuthorError(
            "reply.invalid",
            f"A reply cannot have the status {reply.status!r} and the headers {dict(reply.headers)!r}",
            hint="A status is a number from 100 to 599; headers are texts by name.",
        )


_decode_step: Final = msgspec.msgpack.Decoder(wire.Step).decode


def _journalled(step: bytes, annotation: Any) -> Callable[[Any], Any]:
    """Takes a logic's result, and what it had buffered, as an earlier attempt has journalled them."""

    def take(effects: Buffer) -> Any:
        done = _decode_step(step)
        effects.restore(done)
        result, kind = done.result, result_of(annotation)
        for wanted in (annotation, kind, list[kind]):  # type: ignore[valid-type]
            try:
                return msgspec.msgpack.decode(result, type=wanted)
            except (TypeError, msgspec.ValidationError):
                continue
        return msgspec.msgpack.decode(result)

    return take


_raw_entries: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def _raw(part: wire.Records) -> list[bytes]:
    from hansa.eventlog.interface import as_array

    return [bytes(entry) for entry in _raw_entries(as_array(part.entries, part.count))]
