"""Two nodes on one Kafka, 64 callers, and somebody who kills and stops owners; then everything is counted.

PYTHONPATH=tests/support:. python -m tests.acceptance.kafka_owners 200
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import signal
import statistics
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from hansa.eventlog.interface import entries_of
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_topics import Topics

SHARDS = 2
CALLERS = 64
KEYS = 32
PAUSE_S = 3.0
"""Longer than the session of a node lasts."""
SETTLE_S = 20.0


@dataclass
class Tally:
    """What was seen: the number that each run got, how often nodes said what, how long a shard had no owner."""

    runs: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    errors: collections.Counter[str] = field(default_factory=collections.Counter)
    failovers_s: list[float] = field(default_factory=list)
    progress: collections.Counter[int] = field(default_factory=collections.Counter)
    elapsed_s: float = 0.0


class Cluster:
    """Two nodes; a killed one is started again at once."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap, self.name = bootstrap, f"owners-{uuid.uuid4().hex[:8]}"
        self.nodes: list[asyncio.subprocess.Process] = []
        self.ports = [0, 0]
        self.owner = [0] * SHARDS
        """The node that each shard was last looked for at."""
        Topics({"bootstrap.servers": bootstrap}, 1).ensure(f"{self.name}._owners", SHARDS)

    async def start(self, number: int) -> None:
        node = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig=KILL",
            sys.executable, str(Path(__file__).parent / "kafka_node.py"), self.bootstrap, self.name,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self.nodes[number : number + 1] = [node]
        self.ports[number] = int((await node.stdout.readline()).split()[1])  # type: ignore[union-attr]

    def port_of(self, shard: int) -> int:
        return self.ports[self.owner[shard]]

    def look_elsewhere(self, shard: int, port: int) -> None:
        """Has the next caller ask the other node, unless another caller has said so."""
        if self.port_of(shard) == port:
            self.owner[shard] = 1 - self.owner[shard]

    async def kill(self, number: int) -> None:
        self.nodes[number].kill()
        await self.nodes[number].wait()


class Links:
    """The connections of one caller, one to each node that it has asked."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def ask(self, port: int, what: list[Any]) -> dict[str, Any]:
        """The answer of a node; `no.answer` where it gives none within a second."""
        try:
            if port not in self._open:
                self._open[port] = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = self._open[port]
            writer.write(json.dumps(what).encode() + b"\n")
            return json.loads(await asyncio.wait_for(reader.readline(), 1))
        except (OSError, ValueError):
            await self.close(port)
            return {"error": "no.answer"}

    async def close(self, *ports: int) -> None:
        """Closes the connections to these nodes, or all."""
        for port in ports or tuple(self._open):
            if port in self._open:
                _, writer = self._open.pop(port)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


async def call(cluster: Cluster, tally: Tally, halt: asyncio.Event, seed: int) -> None:
    """A caller: one run behind the other, each repeated with its id until a node has answered it."""
    chance, links = random.Random(seed), Links()
    while not halt.is_set():
        shard, key, run = chance.randrange(SHARDS), f"k{chance.randrange(KEYS)}", uuid.uuid4().hex
        while "n" not in (told := await links.ask(port := cluster.port_of(shard), [shard, key, run])):
            tally.errors[told["error"]] += 1
            cluster.look_elsewhere(shard, port)
            await asyncio.sleep(0.02)
        tally.runs[run] = (shard, key, told["n"])
        tally.progress[shard] += 1
    await links.close()


async def moves_on(cluster: Cluster, tally: Tally, since: float) -> None:
    """Waits until every shard has worked runs again, and notes how long the slowest had no owner. Where that takes too
    long, nodes say where they stand."""
    before = dict(tally.progress)
    while any(tally.progress[shard] < before.get(shard, 0) + 20 for shard in range(SHARDS)):
        if time.monotonic() > since + SETTLE_S:
            for node in cluster.nodes:
                node.send_signal(signal.SIGUSR1)
            await asyncio.sleep(1)
            raise AssertionError(f"nothing goes on: {tally.errors}")
        await asyncio.sleep(0.02)
    tally.failovers_s.append(time.monotonic() - since)


async def attack(cluster: Cluster, tally: Tally, kills: int) -> None:
    """Kills the owner of a shard again and again; each fifth time it is stopped for longer than its session instead."""
    for turn in range(kills):
        number = cluster.owner[turn % SHARDS]
        begun = time.monotonic()
        if turn % 5 == 2:
            cluster.nodes[number].send_signal(signal.SIGSTOP)
            await moves_on(cluster, tally, begun)
            await asyncio.sleep(max(0.0, PAUSE_S - (time.monotonic() - begun)))
            cluster.nodes[number].send_signal(signal.SIGCONT)
            await asyncio.sleep(0.5)
        else:
            await cluster.kill(number)
            await asyncio.gather(cluster.start(number), moves_on(cluster, tally, begun))
        if turn % 20 == 19:
            print(f"{turn + 1} of {kills}, {len(tally.runs)} runs, {dict(tally.errors)}", flush=True)


async def ordeal(bootstrap: str, kills: int) -> tuple[Cluster, Tally]:
    """The whole of it; every run that was begun has its answer at the end."""
    cluster, tally, halt = Cluster(bootstrap), Tally(), asyncio.Event()
    begun = time.monotonic()
    try:
        await asyncio.gather(cluster.start(0), cluster.start(1))
        callers = [asyncio.create_task(call(cluster, tally, halt, seed)) for seed in range(CALLERS)]
        await moves_on(cluster, tally, time.monotonic())
        tally.failovers_s.clear()
        await attack(cluster, tally, kills)
        halt.set()
        await asyncio.wait_for(asyncio.gather(*callers), SETTLE_S)
    finally:
        for number, node in enumerate(cluster.nodes):
            if node.returncode is None:
                node.send_signal(signal.SIGCONT)
                await cluster.kill(number)
    tally.elapsed_s = time.monotonic() - begun
    return cluster, tally


def judge(cluster: Cluster, tally: Tally) -> None:
    """Raises `AssertionError` where anything was lost, done twice, or accepted from an owner that was replaced."""
    for shard in range(SHARDS):
        log = KafkaLog({"bootstrap.servers": cluster.bootstrap, "log_level": 2}, f"{cluster.name}-{shard}")
        entries = [e for chunk in log.read("shop.till/sales@1", 0, 0, max_bytes=1 << 30) for e in entries_of(chunk)]
        written = [(e.key, msgspec.msgpack.decode(e.body)) for e in entries]
        told = {run: (key, n) for run, (at, key, n) in tally.runs.items() if at == shard}
        assert len({body["run"] for _, body in written}) == len(written), "a run was done twice"
        assert {body["run"]: (key, body["n"]) for key, body in written} == told, "what was told is not what stands"
        for name in {key for key, _ in written}:
            numbers = [body["n"] for key, body in written if key == name]
            assert numbers == list(range(len(numbers))), f"the state of {name} went back"
        assert committed(cluster.bootstrap, f"{cluster.name}-{shard}.shop-till-sales-v1") == log.now(), (
            "an old owner wrote"
        )
        log.stop()


def committed(bootstrap: str, topic: str) -> str:
    """How many records any client sees that reads what is committed alone."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "judge", "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "enable.partition.eof": True, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = 0
    with contextlib.closing(consumer):
        while (message := consumer.poll(10)) is not None:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                break
            assert error is None, error
            count += 1
    return str(count)


def main() -> None:
    """Starts a broker of its own and says what came of it."""
    from engines.session import Engines

    with contextlib.closing(Engines()) as engines:
        cluster, tally = asyncio.run(ordeal(engines.address("kafka"), int(sys.argv[1])))
        judge(cluster, tally)
    took = sorted(tally.failovers_s)
    print(
        f"{len(took)} owners lost, {len(tally.runs)} runs in {tally.elapsed_s:.0f} s, each once. "
        f"Failover {statistics.median(took):.1f} s median, {took[int(len(took) * 0.95)]:.1f} s p95, "
        f"{took[-1]:.1f} s at most. Told instead of a result: {dict(tally.errors)}"
    )


if __name__ == "__main__":
    main()
