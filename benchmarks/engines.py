"""Hansa on Kafka, PostgreSQL and an object store, beside Hansa alone and beside Kafka's own client, in one run.

The engines are real and on this machine, so that they share its processors with what is measured; all figures but the
failover are ratios within the run.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks import bare_kafka
from benchmarks.environment import ROOT, Say, Unavailable
from benchmarks.goals import Figures
from benchmarks.records import INPUT, OUTPUT
from benchmarks.subject import PRODUCTS, Subject, data_folder, until

CALLS: Final = 500
WARMING: Final = 1000
"""Calls before those that count: a broker that was started this moment takes twice as long."""
WAITING: Final = 16
"""Callers of what waits; more than the workers of two nodes."""
WAITED_S: Final = 6.0
RECORDS: Final = 200_000
BATCH: Final = 1000
TIMEOUT_S: Final = 180.0
ORDER: Final = {"order": 7, "items": [{"sku": "a", "quantity": 2, "price_cents": 500}]}


def measure(say: Say, records: int = RECORDS) -> Figures:
    """The figures of one run. Raises `Unavailable` where an engine cannot run here, `ValueError` for a wrong answer."""
    with engines(say) as addresses:
        return {
            **_calls(say, addresses),
            **_nodes(say, addresses),
            **_records(say, addresses, records),
        }


@contextlib.contextmanager
def engines(say: Say) -> Iterator[dict[str, str]]:
    """Where Kafka, PostgreSQL and the object store answer."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from engines.install import Missing
    from engines.session import ENGINES, Engines

    with contextlib.closing(Engines()) as running:
        say("engines: starting Kafka, PostgreSQL and an object store")
        running.begin(ENGINES)
        try:
            yield {name: running.address(name) for name in ENGINES}
        except Missing as missing:
            raise Unavailable(str(missing)) from missing


class Cluster:
    """A log, a database and a prefix of its own, for nodes that share them."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        import psycopg

        self.name = name = f"bench{uuid.uuid4().hex[:8]}"
        with psycopg.connect(addresses["postgresql"], autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        s3 = urlsplit(addresses["s3"])
        self._settings = {
            "HANSA_LOG": f"kafka://{addresses['kafka']}/{name}",
            "HANSA_DATABASE": f"{addresses['postgresql'].rpartition('/')[0]}/{name}",
            "HANSA_BLOBS": f"s3:/{s3.path}/{name}",
            "HANSA_TOPICS_PREFIX": f"{name}-",
            "HANSA_PEPPER": secrets.token_hex(32),
            "AWS_ENDPOINT_URL": f"http://{s3.hostname}:{s3.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": s3.username or "",
            "AWS_SECRET_ACCESS_KEY": s3.password or "",
        }

    @contextlib.contextmanager
    def node(self, name: str, **more: str) -> Iterator[Subject]:
        """A node of this name."""
        settings = {**self._settings, "HANSA_NODE": name, **more}
        with data_folder() as data:
            command = ["env", *(f"{key}={value}" for key, value in settings.items())]
            subject = Subject(data, f"node {name}", [*command, sys.executable, "-m", "hansa.bootstrap", data, "0"])
            try:
                yield subject
            finally:
                subject.stop()


# Calls


def _calls(say: Say, addresses: Mapping[str, str]) -> Figures:
    say("engines: calls, alone and on the engines")
    with data_folder() as data:
        alone = Subject(data)
        try:
            alone_ms = _p50_ms(alone)
        finally:
            alone.stop()
    cluster = Cluster(addresses)
    begun = perf_counter()
    with cluster.node("a") as node:
        start_s = perf_counter() - begun
        engines_ms = _p50_ms(node)
    begun = perf_counter()
    with cluster.node("a"):
        again_s = perf_counter() - begun
    return {
        "alone_p50_ms": alone_ms, "engines_p50_ms": engines_ms, "call_ratio": engines_ms / alone_ms,
        "start_s": start_s, "start_again_s": again_s,
    }  # fmt: skip


def _p50_ms(subject: Subject) -> float:
    subject.deploy(PRODUCTS / "orders", "bench.orders")
    _took(WARMING, lambda: _ordered(subject))
    return median(_took(CALLS, lambda: _ordered(subject))) * 1000


def _ordered(subject: Subject) -> None:
    found = subject.post("/bench/orders/run", ORDER)
    if found != {"order": 7, "total": 1000, "tax": 190}:
        raise ValueError(f"the answer is {found}")


def _took(times: int, act: Callable[[], Any]) -> list[float]:
    took = []
    for _ in range(times):
        begun = perf_counter()
        act()
        took.append(perf_counter() - begun)
    return took


# Nodes


def _nodes(say: Say, addresses: Mapping[str, str]) -> Figures:
    say("engines: calls that wait, on one node and on two; then the owner of the log is killed")
    cluster = Cluster(addresses)
    with cluster.node("a") as first:
        first.deploy(PRODUCTS / "waits", "bench.waits")
        one = _waited_per_s([first])
        with cluster.node("b") as second:
            two = _waited_per_s([first, second])
            failover_s = _failover_s(first, second)
    return {"one_per_s": one, "two_per_s": two, "two_nodes_gain": two / one, "failover_s": failover_s}


def _waited_per_s(nodes: list[Subject]) -> float:
    """Calls per second of callers that are as many for each node."""
    done: list[float] = []
    over = threading.Event()

    def call(number: int) -> None:
        while not over.is_set():
            if nodes[number % len(nodes)].post("/bench/waits/wait", {"n": number}) != {"n": number}:
                raise ValueError("a wrong answer")
            done.append(monotonic())

    with ThreadPoolExecutor(WAITING) as callers:
        calls = [callers.submit(call, number) for number in range(WAITING)]
        sleep(WAITED_S)
        over.set()
        for one in calls:
            one.result()
    begun = done[0] + 1.0  # workers are forked meanwhile
    return sum(at > begun for at in done) / (done[-1] - begun)


def _failover_s(owner: Subject, other: Subject) -> float:
    """From the kill of the owner of the log to the first answer of the other node."""
    begun = perf_counter()
    owner.kill()
    until(lambda: _answers(other), TIMEOUT_S, "the other node to own the log")
    return perf_counter() - begun


def _answers(node: Subject) -> bool:
    try:
        return bool(node.post("/bench/waits/wait", {"n": 1}) == {"n": 1})
    except OSError:
        return False


# Records


def _records(say: Say, addresses: Mapping[str, str], records: int) -> Figures:
    """From the deployment of who grades the readings, which stand on their topic as well, until all grades are in the
    log; and until they stand on theirs."""
    say(f"engines: {records:,} records through Kafka, by Hansa and by Kafka's client")
    cluster = Cluster(addresses)
    kafka = addresses["kafka"]
    with cluster.node("a") as node:
        node.deploy(PRODUCTS / "readings", "bench.readings")
        node.post("/bench/readings/fill", {"records": records})
        until(lambda: node.records_in(INPUT) == records, TIMEOUT_S, "making the readings")
        until(lambda: _published(kafka, cluster, INPUT) >= records, TIMEOUT_S, "publishing the readings")
        begun = perf_counter()
        node.deploy(PRODUCTS / "grades", "bench.grades")
        until(lambda: node.records_in(OUTPUT) == records, TIMEOUT_S, "grading the readings")
        per_s = records / (perf_counter() - begun)
        until(lambda: _published(kafka, cluster, OUTPUT) >= records, TIMEOUT_S, "publishing the grades")
        published_per_s = records / (perf_counter() - begun)
    bare_per_s = bare_kafka.per_s(kafka, records, BATCH)
    return {
        "records_per_s": per_s, "published_per_s": published_per_s, "bare_records_per_s": bare_per_s,
        "records_ratio": per_s / bare_per_s,
    }  # fmt: skip


def _published(kafka: str, cluster: Cluster, port: str) -> int:
    """How many records stand on the topic of a port, and a little more: the ends of transactions count there, too."""
    from hansa.eventlog.kafka_topics import Topics
    from hansa.model.ids import PortId
    from hansa.model.topic import topic_name

    return sum(
        Topics({"bootstrap.servers": kafka, "log_level": 2}).ends(f"{cluster.name}-{topic_name(PortId.parse(port))}", 1)
    )
