"""What sets cost where several nodes share a log, measured on this machine, and what the model makes of it.

Three nodes that each do one thing (own the log, take up every set, only follow) give what a set costs. One, two and
three nodes with all roles then take as many calls, and what they took stands beside what the model says of them. All
figures are processor time and bytes, less what the same processes take at rest: it does not matter what else runs here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any, Final

import msgspec

from benchmarks import load, scale_model, workload
from benchmarks.engines import Cluster, engines
from benchmarks.environment import Say
from benchmarks.goals import Figures
from benchmarks.processes import cpu_s, family, listener, title
from benchmarks.records import INPUT, OUTPUT
from benchmarks.scale_model import Apart, Costs, Used
from benchmarks.subject import PRODUCTS, Subject, until
from hansa.bootstrap.nodes import BEATS
from hansa.bootstrap.place import SESSION_S
from hansa.bootstrap.sharing import Shares

CALLS: Final = 6_000
CALLERS: Final = 60
FEW_CALLERS: Final = 4
LOOK_S: Final = 0.5
ROLES: Final = {"a": "api,scheduler", "b": "api,worker", "c": "api"}
"""Of nodes that each do one thing: own the log, take up every set, only follow."""
RECORDS: Final = 200_000
BATCH: Final = 1000
REST_S: Final = 4.0
LAGS: Final = 20
TIMEOUT_S: Final = 120.0
SIZES: Final = (3, 30, 300)
PARTITIONS: Final = 50_000
NAMES: Final = 2_000

Spent = dict[str, float]
"""Processor seconds: `NODE` for its server, `NODE views`, `NODE workers`, `kafka`, `postgresql`."""


def measure(say: Say, calls: int = CALLS, records: int = RECORDS) -> Figures:
    """The figures of one run; raises `Unavailable` without engines, `ValueError` for a wrong answer."""
    with engines(say) as addresses:
        call, batch, figures = _apart(say, addresses, calls, records)
        for nodes in (1, 2, 3):
            figures |= _together(say, addresses, calls, nodes, call)
    return {**_told("call", call), **_told("batch", batch), **figures, **_expected(call, batch), **_moves()}


# Nodes


def _together(say: Say, addresses: Mapping[str, str], calls: int, count: int, call: Costs) -> dict[str, float]:
    """What calls take that are spread over nodes with all roles, measured and predicted."""
    say(f"scale: {count} with all roles")
    cluster, names = Cluster(addresses), "abc"[:count]
    with ExitStack() as running:
        nodes = {name: running.enter_context(cluster.node(name)) for name in names}
        _deployed(nodes["a"])
        meter, facts = Meter(nodes, addresses), Facts(addresses["kafka"], cluster.name)
        spent = meter.while_(lambda: _call(list(nodes.values()), calls, CALLERS))
        commits = facts.since()["commits"] / calls
    rest = {f"rest_{name}_percent": 100 * share for name, share in meter.rest.items()} if count == len(ROLES) else {}
    found, said = _used(spent, list(names), calls), scale_model.predicted(call, commits, count)
    return {f"{count}_nodes_commits": commits, **_compared(f"{count}_nodes", found, said), **rest}


def _apart(say: Say, addresses: Mapping[str, str], calls: int, records: int) -> tuple[Costs, Costs, dict[str, float]]:
    """What a call costs, and a batch; and how far views are behind, in ms."""
    say(f"scale: three nodes that each do one thing: {calls:,} calls, {records:,} records")
    cluster = Cluster(addresses)
    with _doing_one_thing(cluster, HANSA_TOPICS="off") as nodes:
        _deployed(nodes["a"])
        _call([nodes["b"]], calls, CALLERS)  # what compiles itself while it runs has done so by then
        meter, facts = Meter(nodes, addresses), Facts(addresses["kafka"], cluster.name)
        took = {}
        for callers in (CALLERS, FEW_CALLERS):
            spent = meter.while_(lambda callers=callers: _call([nodes["b"]], calls, callers))
            took[callers] = _parted(spent, facts.since(), calls)
        call = scale_model.costs(took[CALLERS], took[FEW_CALLERS])
        lag_ms = _lag_ms(nodes["b"])
        _fill(nodes, records)
        facts.since()
        spent = meter.while_(lambda: _grade(nodes["b"], records))
        sets = records // BATCH
        batch = scale_model.of_batches(_parted(spent, facts.since(), sets), call, BATCH)
    return call, dataclasses.replace(batch, relay=_relay(say, addresses, records, spent["a"])), {"view_lag_ms": lag_ms}


def _relay(say: Say, addresses: Mapping[str, str], records: int, without_s: float) -> float:
    """What a batch takes at the owner more, in µs, where ports are topics."""
    say(f"scale: the same with ports as topics: {records:,} records")
    with _doing_one_thing(Cluster(addresses)) as nodes:
        _deployed(nodes["a"])
        _fill(nodes, records)
        sleep(REST_S)
        spent = Meter(nodes, addresses).while_(lambda: _grade(nodes["b"], records))
    return max(spent["a"] - without_s, 0.0) * 1e6 / (records // BATCH)


@contextlib.contextmanager
def _doing_one_thing(cluster: Cluster, **more: str) -> Iterator[dict[str, Subject]]:
    with ExitStack() as running:
        yield {
            name: running.enter_context(cluster.node(name, HANSA_ROLES=does, **more)) for name, does in ROLES.items()
        }


def _deployed(node: Subject) -> None:
    node.deploy(PRODUCTS / "orders", "bench.orders")
    _call([node], CALLERS, CALLERS)


def _fill(nodes: Mapping[str, Subject], records: int) -> None:
    """Readings, and a process that waits to grade them."""
    nodes["a"].deploy(PRODUCTS / "readings", "bench.readings")
    nodes["a"].deploy(PRODUCTS / "grades", "bench.grades")
    nodes["a"].post("/triggers/bench.grades:grade/0/pause", {})
    nodes["b"].post("/bench/readings/fill", {"records": records})
    until(lambda: nodes["a"].records_in(INPUT) == records, TIMEOUT_S, "making the readings")
    sleep(1.0)


def _grade(node: Subject, records: int) -> None:
    node.post("/triggers/bench.grades:grade/0/resume", {})
    end = perf_counter() + TIMEOUT_S
    while node.records_in(OUTPUT) < records:
        if perf_counter() > end:
            raise TimeoutError("grading the readings")
        sleep(LOOK_S)


def _call(nodes: Sequence[Subject], calls: int, callers: int) -> None:
    """As many calls to each of the nodes, by as many callers."""
    with ThreadPoolExecutor(len(nodes)) as threads:
        each = [threads.submit(_called, node, calls // len(nodes), callers // len(nodes)) for node in nodes]
        for done in each:
            done.result()


def _called(node: Subject, calls: int, callers: int) -> None:
    url, token = node.door
    call = load.Call.build(
        "POST", "/bench/orders/run", body=workload.BODY, accepts=load.equal_json(workload.PRICED),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )  # fmt: skip
    told = load.run(url, [call] * calls, connections=callers, warmup_s=0.0, seconds=TIMEOUT_S)
    if told.errors:
        raise ValueError(f"{told.errors} calls went wrong: {told.error_samples}")


def _lag_ms(node: Subject) -> float:
    """How much longer it takes to be shown the run that just ended than to be shown nothing new."""
    behind, level = [], []
    for _ in range(LAGS):
        node.post("/bench/orders/run", workload.ORDER)
        behind.append(_ms(node))
        level.append(_ms(node))
    return median(behind) - median(level)


def _ms(node: Subject) -> float:
    begun = perf_counter()
    node.get("/runs?limit=1")
    return (perf_counter() - begun) * 1000


# What was spent


class Meter:
    """The processor time of nodes and engines, less what they take at rest."""

    def __init__(self, nodes: Mapping[str, Subject], addresses: Mapping[str, str]) -> None:
        self._nodes = nodes
        self._engines = {name: listener(int(addresses[name].rsplit(":", 1)[1].split("/")[0])) for name in _ENGINES}
        self.rest = self._at_rest()

    def _at_rest(self) -> Spent:
        sleep(1.0)
        begun, before = perf_counter(), self._now()
        sleep(REST_S)
        took_s = perf_counter() - begun
        return {name: (spent - before[name]) / took_s for name, spent in self._now().items()}

    def while_(self, work: Any) -> Spent:
        """What was taken while `work` ran, and until its last traces are in the views."""
        begun, before = perf_counter(), self._now()
        work()
        for node in self._nodes.values():
            node.get("/runs?limit=1")
        after, took_s = self._now(), perf_counter() - begun
        return {name: max(after[name] - before[name] - self.rest[name] * took_s, 0.0) for name in after}

    def _now(self) -> Spent:
        spent = {name: sum(map(_cpu_s, family(pid))) for name, pid in self._engines.items()}
        for name, node in self._nodes.items():
            rest = [pid for pid in family(node.pid) if pid != node.pid]
            views = [pid for pid in rest if "hansa.bootstrap.views" in title(pid)]
            spent[name], spent[f"{name} views"] = _cpu_s(node.pid), sum(map(_cpu_s, views))
            spent[f"{name} workers"] = sum(_cpu_s(pid) for pid in rest if pid not in views)
        return spent


_ENGINES: Final = ("kafka", "postgresql")


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(OSError):
        return cpu_s(pid)
    return 0.0


def _views(spent: Spent, names: Sequence[str]) -> tuple[float, float]:
    """Of the node that writes the views, and the mean of the others: one writes, whichever came first."""
    views = sorted((spent[f"{name} views"] for name in names), reverse=True)
    return views[0], sum(views[1:]) / max(len(views) - 1, 1)


def _used(spent: Spent, names: Sequence[str], sets: int) -> Used:
    """Of nodes with all roles, of which the first owns the log; for each set."""
    views, others = _views(spent, names)
    each = 1e6 / sets
    return Used(
        owner=spent[names[0]] * each,
        others=sum(spent[name] for name in names[1:]) / max(len(names) - 1, 1) * each,
        views=views * each,
        other_views=others * each,
        workers=sum(spent[f"{name} workers"] for name in names) * each,
        kafka=spent["kafka"] * each,
        postgresql=spent["postgresql"] * each,
    )


def _parted(spent: Spent, left: Mapping[str, int], sets: int) -> Apart:
    views, others = _views(spent, "abc")
    workers = sum(spent[f"{name} workers"] for name in ROLES)
    took = (spent["a"], spent["b"], spent["c"], views, others, workers, spent["kafka"], spent["postgresql"])
    return Apart(*(one * 1e6 / sets for one in took), **{name: count / sets for name, count in left.items()})


class Facts:
    """Reads the topic of facts of a log, as any of Kafka's clients can."""

    def __init__(self, bootstrap: str, name: str) -> None:
        from confluent_kafka import Consumer, TopicPartition

        settings = {"bootstrap.servers": bootstrap, "group.id": f"{name}-bench", "enable.auto.commit": False}
        self._consumer = Consumer({**settings, "isolation.level": "read_committed", "enable.partition.eof": True})
        self._partition = TopicPartition(f"{name}._facts", 0, 0)
        self._consumer.assign([self._partition])
        self._at = -1
        self.since()

    def since(self) -> dict[str, int]:
        """What was written since it was asked last: transactions, facts, their bytes, and bytes of batches."""
        left = dict.fromkeys(("commits", "facts", "fact_bytes", "body_bytes"), 0)
        for key, value in self._news():
            kind = msgspec.msgpack.decode(key)[0]
            left["facts"] += 1
            left["fact_bytes"] += len(key) + len(value or b"")
            left["body_bytes"] += msgspec.msgpack.decode(value)[BATCH_SIZE] if kind == "batch" and value else 0
            left["commits"] += kind == "mark"
        return left

    def _news(self) -> Iterator[tuple[bytes, bytes | None]]:
        _, end = self._consumer.get_watermark_offsets(self._partition, TIMEOUT_S)
        while self._at < end:
            for message in self._consumer.consume(1000, 1.0):
                self._at = message.offset() or 0
                if message.error() is None:  # else it tells that this was the end, then
                    yield message.key() or b"", message.value()


BATCH_SIZE: Final = 5
"""Where the bytes of a batch stand in its fact."""


# What is told


def _told(what: str, one: Costs) -> dict[str, float]:
    figures: dict[str, float] = {}
    for field in dataclasses.fields(one):
        value = getattr(one, field.name)
        if isinstance(value, scale_model.Part):
            figures |= {f"{what}_{field.name}_us": value.set, f"{what}_{field.name}_us_per_commit": value.commit}
        else:
            figures[f"{what}_{field.name}"] = value
    return figures


def _compared(what: str, found: Used, said: Used) -> dict[str, float]:
    """Measured and predicted, in µs for each set."""
    figures: dict[str, float] = {}
    for name, value in dataclasses.asdict(found).items():
        if predicted := dataclasses.asdict(said)[name]:
            figures |= {f"{what}_{name}_us": value, f"{what}_{name}_predicted_us": predicted}
    return figures


def _expected(call: Costs, batch: Costs) -> dict[str, float]:
    """The most calls, and records in batches, that so many nodes take in a second, by what is full then."""
    return {
        f"{what}_per_s_{nodes}_nodes_until_{part.replace(' ', '_')}": most * one.records
        for what, one in (("calls", call), ("records", batch))
        for nodes in SIZES
        for part, most in scale_model.ceilings(one, nodes).items()
    }


def _moves() -> dict[str, float]:
    """How long it takes until partitions are followed elsewhere, and until a node that starts knows which are its."""
    names = [f"domain{number}.product:process<port/{number}" for number in range(NAMES)]
    figures = {}
    for nodes in SIZES:
        shares = Shares()
        shares.among(map(str, range(nodes)))
        first_us = _each_us(shares, names)
        shares.among(map(str, range(nodes + 1)))
        joined_us = _each_us(shares, names)
        shares.among(map(str, range(1, nodes + 1)))
        lost_us = _each_us(shares, names)
        joined_s, _ = scale_model.moved_s(PARTITIONS, SESSION_S, BEATS, joined_us)
        _, lost_s = scale_model.moved_s(PARTITIONS, SESSION_S, BEATS, lost_us)
        figures |= {f"moves_{nodes}_nodes_joined_s": joined_s, f"moves_{nodes}_nodes_lost_s": lost_s}
        figures |= {f"moves_{nodes}_nodes_first_s": PARTITIONS * first_us / 1e6}
    return figures


def _each_us(shares: Shares, names: Sequence[str]) -> float:
    begun = process_time()
    for name in names:
        shares.node(name)
    return (process_time() - begun) / len(names) * 1e6


if __name__ == "__main__":
    found = measure(print, int(os.environ.get("CALLS", CALLS)), int(os.environ.get("RECORDS", RECORDS)))
    print(json.dumps(found, indent=2))
