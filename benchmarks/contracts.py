"""What enforcing a contract costs, and rules over a table against Great Expectations.

A durable call publishes one record, which ten rules check; what checking costs (the contract and its rules in the
worker, the schema again in the server) is measured in this process, as part of the median call.

The same ten rules are held over a million rows, in memory (Polars beside pandas) and from a Parquet file (DuckDB beside
pandas), on the same data and in turn with the peer, which has its own environment. Verdicts must be the same.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import msgspec

from benchmarks.environment import SERVED, Say, package_versions, python_environment
from benchmarks.subject import PRODUCTS, Subject, data_folder

ROWS = 1_000_000
CALLS = 400
REPEATS = 3
CHECKED = PRODUCTS / "checked"
PARCEL = {"parcel_id": 1, "kind": "box", "code": "ABC-1234", "country": "DK", "cents": 100, "insured": "yes"}


def measure(say: Say, rows: int = ROWS, calls: int = CALLS) -> dict[str, float]:
    """The figures; raises `ValueError` where the verdicts differ, `Unavailable` without the peer."""
    peer = python_environment("expectations", ["great-expectations", "pyarrow"], say)
    say(f"contracts: {package_versions(peer, 'great-expectations', 'pandas')}")
    with data_folder() as data:
        call_us = _durable_call_us(data, calls)
        say(f"contracts: ten rules over {rows:,} rows")
        table = _against(peer, data.parent / "parcels.parquet", rows)
    check_us = checking_us()
    return {"call_us": call_us, "check_us": check_us, "check_percent": 100 * check_us / call_us, **table}


def _durable_call_us(data: Path, calls: int) -> float:
    subject = Subject(data)
    try:
        subject.deploy(CHECKED, "bench.checked")
        took = []
        for number in range(calls):
            began = perf_counter()
            subject.post("/bench/checked/parcels", {**PARCEL, "parcel_id": number})
            took.append(perf_counter() - began)
        if subject.records_in("bench.checked/parcels@1") != calls:
            raise ValueError("a call was answered and its record is not there")
    finally:
        subject.stop()
    return 1e6 * median(took)


def checking_us(rounds: int = 20_000) -> float:
    """What the contract costs for one record: in the worker, beyond encoding it once, and in the server."""
    from hansa.contracts.check import entry_type
    from hansa.contracts.odps import read_product
    from hansa.eventlog.interface import as_array
    from hansa.runtime.buffer import Buffer
    from hansa.runtime.publishing import Writer

    [port] = read_product(CHECKED).outputs
    writer, buffer = Writer(port, _Nobody()), Buffer()
    writer.write([PARCEL], buffer)
    [effect] = buffer.effects
    decode = msgspec.msgpack.Decoder(list[tuple[str | None, entry_type(port)]]).decode  # type: ignore[misc]
    entries = as_array(effect.entries, effect.count)
    began = process_time()
    for _ in range(rounds):
        writer.write([PARCEL], Buffer())
        decode(entries)
    return 1e6 * (process_time() - began) / rounds


class _Nobody:
    """No rule here asks what stands in the log."""

    def ask(self, what: str, arguments: Any) -> Any:
        raise ValueError(f"{what} was asked for: {arguments}")


def _against(peer: Path, path: Path, rows: int) -> dict[str, float]:
    """Both on the same data, the faster in more turns, the best of each."""
    from hansa.contracts.odcs import read_contract
    from hansa.contracts.quality.tables import check_file, check_frame

    contract = read_contract(next((CHECKED / "contracts").iterdir()))
    frame = parcels(rows)
    frame.write_parquet(path)
    command = [str(peer), str(SERVED / "expectations.py"), str(path), str(REPEATS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"the peer failed: {done.stderr[-2000:]}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    memory_s, memory_cpu_s, in_memory = _best(lambda: check_frame(contract, frame))
    file_s, file_cpu_s, in_file = _best(lambda: check_file(contract, path))
    held = {result.rule: result.state == "passed" for result in in_memory}
    if held != theirs["holds"] or in_memory != in_file or len(held) != 10:
        raise ValueError(f"verdicts differ: {held} and {theirs['holds']}")
    return {
        "peer_memory_ms": 1e3 * theirs["memory_s"], "memory_ms": 1e3 * memory_s,
        "memory_gain": theirs["memory_s"] / memory_s, "memory_cpu_gain": theirs["memory_cpu_s"] / memory_cpu_s,
        "peer_file_ms": 1e3 * theirs["file_s"], "file_ms": 1e3 * file_s, "file_gain": theirs["file_s"] / file_s,
        "file_cpu_gain": theirs["file_cpu_s"] / file_cpu_s,
    }  # fmt: skip


def _best(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """The least time and the least CPU time of any turn, which others on the machine do not lengthen as much."""
    found, took, spent = None, [], []
    for _ in range(3 * REPEATS):
        began, cpu = perf_counter(), process_time()
        found = work()
        took.append(perf_counter() - began)
        spent.append(process_time() - cpu)
    return min(took), min(spent), found


def parcels(rows: int) -> Any:
    """Parcels that keep eight rules and break two: codes that are none, and too many without a kind."""
    import polars as pl

    number = pl.int_range(rows, dtype=pl.Int64)
    countries = ["DE", "DK", "EE", "FI", "LT", "LV", "NO", "PL", "SE"]

    def among(values: list[str], step: int) -> pl.Expr:
        return (number * step % len(values)).replace_strict(range(len(values)), values, return_dtype=pl.String)

    code = pl.lit("ABC-") + (number * 7919 % 10_000).cast(pl.String).str.zfill(4)
    return pl.select(
        parcel_id=number,
        kind=pl.when(number % 12 == 0).then(None).otherwise(among(["letter", "box", "crate"], 31)),
        code=pl.when(number % 99_991 == 7).then(pl.lit("abc")).otherwise(code),
        country=among(countries, 17),
        cents=pl.when(number % 20 == 0).then(None).otherwise(number * 13 % 100_000),
        insured=pl.when(number % 500 == 0).then(pl.lit("perhaps")).otherwise(among(["yes", "no"], 3)),
    )
