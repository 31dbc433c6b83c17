"""What workers ask the server for: state, calls of other processes, connections, secrets, lookups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from hansa.egress.broker import Broker
from hansa.egress.settings import Settings
from hansa.errors import CallerError
from hansa.eventlog.interface import Log
from hansa.lifecycle.mesh import Mesh
from hansa.model.quarantine import unique_scope
from hansa.runtime import wire
from hansa.runtime.engine import DEPTH_MAX, Engine
from hansa.runtime.run import Answer, Run
from hansa.runtime.tracing import Traces
from hansa.sdk.encode import reordered

_encode: Final = msgspec.msgpack.Encoder().encode


class Asks:
    """Answers `wire.Ask`. `mesh` and `engine` come later than this object: the engine needs it first."""

    def __init__(self, log: Log, settings: Settings, traces: Traces) -> None:
        self._traces = traces
        self._log = log
        self._broker = Broker(settings, on_use=self._used)
        self.mesh: Mesh | None = None
        self.engine: Engine | None = None

    async def __call__(self, run: Run, ask: wire.Ask) -> Any:
        """Raises `HansaError` for what is refused."""
        answers: dict[str, Callable[[Run, Any, str], Any]] = {
            "state": self._state,
            "call": self._call,
            "connection": self._connection,
            "secret": self._secret,
            "lookup": self._lookup,
            "unique": self._unique,
            "absent": self._absent,
        }
        return await answers[ask.what](run, ask.arguments, f"{run.id}:{ask.logic}:{ask.sequence}")

    async def _state(self, run: Run, arguments: Any, _: str) -> Any:
        operation, name = arguments
        scope = run.live.state_scope
        if operation == "get":
            return await asyncio.to_thread(self._log.get, scope, name)
        keys = await asyncio.to_thread(lambda: [key for key, _ in self._log.scan(scope)])
        return [key for key in keys if key.startswith(name)]

    async def _call(self, run: Run, arguments: Any, _: str) -> Any:
        process, payload, key = arguments
        assert self.mesh is not None
        assert self.engine is not None
        if run.depth >= DEPTH_MAX:
            raise CallerError(
                "call.depth", f"Processes call each other more than {DEPTH_MAX} deep", hint="Is it a circle?"
            )
        member = process if ":" in process else f"{run.live.product.id}:{process}"
        live = self.mesh.process(member)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        source = _encode(wire.Source("call", payload, "application/json", detail={"parent": run.id}))
        child = Run(live, "call", source, run.principal, lambda a: None if future.done() else future.set_result(a))
        child.parent, child.depth, child.context = run.id, run.depth + 1, run.context
        child.detail = {"process": run.live.id}
        child.idempotency_key = f"{run.id}:{key}"
        child.dry = run.dry
        self.engine.start(child)
        answer = await future
        if answer.headers and "Idempotent-Replay" in answer.headers:
            answer = await self._earlier(answer.run)
        if answer.error is not None:
            return {"error": msgspec.to_builtins(answer.error), "result": None}
        return {"error": None, "result": answer.result}

    async def _earlier(self, run_id: str) -> Answer:
        """The answer of a child that an earlier attempt of its parent has called already."""
        assert self.earlier is not None
        found: Answer = await self.earlier(run_id)
        return found

    earlier: Callable[[str], Any] | None = None

    def _used(self, _: str, place: str, connection: str, operation: str, target: str) -> None:
        run, _, logic = place.partition(":")
        if self.engine is not None:
            self.engine.used(run, logic, connection, operation, target)

    def close(self) -> None:
        """Closes what connections hold open."""
        self._broker.close()

    async def _connection(self, run: Run, arguments: Any, key: str) -> Any:
        name, operation, rest = arguments
        if run.dry and operation not in ("query", "read", "list"):
            raise CallerError(
                "connection.dry", f"A dry run changes nothing outside: {name}.{operation}", hint="Run it for real."
            )
        place = key.rpartition(":")[0]
        product = run.live.product.id
        with self._traces.outward(run, name, operation, rest) as outward:
            answer = await self._broker.call(product, place, name, operation, rest, key=key, headers=outward.headers)
            if operation == "request":
                outward.status = answer[0]
            return answer

    async def _lookup(self, run: Run, port: Any, _: str) -> None:
        assert self.mesh is not None
        await self.mesh.serving.fill_lookup(run.live.product.spec, port)

    async def _unique(self, run: Run, arguments: Any, _: str) -> dict[str, str]:
        """Whose the values are that a rule of one of the product's ports lets stand once, those that are taken."""
        port, rule, digests = arguments
        if run.live.product.spec.output(port) is None:
            raise CallerError("port.unknown", f"{port} is no output port of {run.live.product.id}")
        scope = unique_scope(port, rule)
        found = await asyncio.to_thread(lambda: [(digest, self._log.get(scope, digest)) for digest in digests])
        return {digest: owner.decode() for digest, owner in found if owner is not None}

    async def _absent(self, run: Run, arguments: Any, _: str) -> list[str]:
        """Which of the keys, whose fields come in the order of `to`, no record has of a port that one of the product's
        ports refers to."""
        assert self.mesh is not None
        port, to, keys = arguments
        if not set(run.live.product.spec.references(port)) >= set(to):
            raise CallerError("port.unknown", f"No port of {run.live.product.id} refers to {port}")
        key = self.mesh.port(port).contract.key
        if sorted(key) != sorted(to):
            raise CallerError("relationship.key", f"{port} is identified by {', '.join(key)}, not {', '.join(to)}")
        by_key = {reordered(text, to, key): text for text in keys}
        absent = await self.mesh.serving.absent(port, list(by_key))
        return [by_key[key] for key in absent]

    async def _secret(self, run: Run, arguments: Any, _: str) -> Any:
        secrets = await asyncio.to_thread(self._broker.secrets, run.live.product.id)
        return sorted(secrets) if arguments[0] == "names" else secrets.get(arguments[1])
