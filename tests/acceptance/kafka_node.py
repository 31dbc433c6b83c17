"""A node of two: takes the shards that the consumer group gives it, and works runs on them over TCP.

    python kafka_node.py BOOTSTRAP NAME

Says `port N` first; a line of JSON `[shard, key, run]` is answered with one: `{"n": N}` the number that the run got, or
`{"error": CODE}`. A run counts its key up, keeps the count as state, claims its id and writes one entry, in one commit.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import signal
import sys
import threading
from typing import Any

import msgspec
from confluent_kafka import Consumer

from hansa.errors import CallerError, HansaError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Append, Claim, CommitSet, Put, TopicConfig, encode_entry
from hansa.eventlog.kafka import KafkaLog

SESSION_MS = 1500
FOR_GOOD_US = 1 << 60


class Node:
    """The shards that this node owns, each with a log of its own."""

    def __init__(self, bootstrap: str, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 2}
        self._name, self._loop = name, loop
        self._logs: dict[int, AwaitableLog] = {}

    def follow_group(self) -> None:
        """Takes and gives up shards as the group says, for ever."""
        group = {"group.id": f"{self._name}.owners", "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 300}
        strategy = {"partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False}
        consumer = Consumer({**self._settings, **group, **strategy, "auto.offset.reset": "latest"})
        consumer.subscribe([f"{self._name}._owners"], on_assign=self._take, on_revoke=self._leave, on_lost=self._leave)
        while True:
            consumer.poll(1)

    def _take(self, _: Consumer, shards: list[Any]) -> None:
        for shard in shards:
            log = KafkaLog(self._settings, f"{self._name}-{shard.partition}")
            log.declare("shop.till/sales@1", TopicConfig())
            asyncio.run_coroutine_threadsafe(self._own(shard.partition, log), self._loop).result()

    async def _own(self, shard: int, log: KafkaLog) -> None:
        self._logs[shard] = AwaitableLog(log, self._loop)

    def _leave(self, _: Consumer, shards: list[Any]) -> None:
        for shard in shards:
            owned = self._logs.pop(shard.partition, None)
            if owned is not None:
                owned.log.stop()

    async def answer(self, shard: int, key: str, run: str) -> dict[str, Any]:
        """Works a run, again where another one of its key was faster."""
        while True:
            owned = self._logs.get(shard)
            if owned is None:
                return {"error": "not.owner"}
            try:
                return {"n": await _worked(owned, key, run)}
            except CallerError as refused:
                if refused.code == "claim.taken":
                    return {"n": msgspec.msgpack.decode(refused.details["value"])}
            except HansaError as failure:
                return {"error": failure.code}


async def _worked(owned: AwaitableLog, key: str, run: str) -> int:
    before = owned.log.get("counts", key)
    n: int = msgspec.msgpack.decode(before) if before else 0
    entry = encode_entry(key, {"run": run, "n": n})
    await owned.commit(
        CommitSet(
            appends=(Append("shop.till/sales@1", 0, 1, entry, {"run": run}),),
            puts=(Put("counts", key, msgspec.msgpack.encode(n + 1), expected=before),),
            claims=(Claim("runs", run, msgspec.msgpack.encode(n), FOR_GOOD_US),),
        )
    )
    return n


async def main(bootstrap: str, name: str) -> None:
    """Serves until it is killed."""
    node = Node(bootstrap, name, asyncio.get_running_loop())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await node.answer(*json.loads(line))).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=node.follow_group, daemon=True).start()
    await server.serve_forever()


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)
    asyncio.run(main(*sys.argv[1:]))
