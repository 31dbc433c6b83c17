"""What an author tests in memory: loads in chunks that keep state, compositions, and lookups that follow the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.testing.inline import Failed, InlineHansa, _Lookup

YAML = """apiVersion: v1.1.0
kind: DataProduct
id: lab.author
name: Author
version: 1.0.0
status: active
domain: lab
"""
SOURCE = """
from collections.abc import Iterator
from hansa import Chunk, Context, DataProduct, Drop, each, http, parallel, reply

product = DataProduct(__file__)


@product.logic
def numbers(*, ctx: Context, count: int = 4) -> Iterator[Chunk[int]]:
    for at in range(0, count, 2):
        yield Chunk([at, at + 1], at + 2)


@product.logic
def total(batch: list[int], *, ctx: Context) -> int:
    if -1 in batch or 7 in batch:
        raise ValueError("a bad batch")
    ctx.state.put("total", ctx.state.get("total", 0) + sum(batch))
    ctx.emit("lab.total", payload=ctx.state.get("total"))
    return 0


product.process("load", numbers, total, reply, on=http.post("/load"))


@product.logic
def body(body: list[int]) -> list[int]:
    return body


@product.logic
def half(value: int, *, ctx: Context) -> int | Drop:
    ctx.emit("lab.half", payload=value)
    return value // 2 if value else Drop("nothing to halve")


@product.logic
def largest(values: list[int]) -> int:
    return max(values)


@product.aggregator
def both(*, half: list[int] | None, largest: int | None) -> dict[str, object]:
    return {"halves": half, "largest": largest}


product.process("compare", body, parallel(each(half), largest, quorum=1), both, on=http.post("/compare"))
"""


@pytest.fixture
def hansa(tmp_path: Path) -> InlineHansa:
    (tmp_path / "product.yaml").write_text(YAML)
    (tmp_path / "product.py").write_text(SOURCE)
    inline = InlineHansa()
    inline.load(tmp_path)
    return inline


def totals(hansa: InlineHansa) -> list[Any]:
    return [event["payload"] for event in hansa.events("lab.total")]


def test_each_chunk_goes_on_with_the_state_that_the_one_before_has_committed(hansa: InlineHansa) -> None:
    assert hansa.call("POST /lab/author/load") == {"chunks": 2, "records": 4, "position": 4}
    hansa.call("POST /lab/author/load", query={"count": "2"})
    assert totals(hansa) == [1, 6, 7]


def test_what_chunks_have_committed_before_a_failure_stands(hansa: InlineHansa) -> None:
    with pytest.raises(Failed, match="a bad batch"):
        hansa.call("POST /lab/author/load", query={"count": "10"})
    assert totals(hansa) == [1, 6, 15]
    hansa.call("POST /lab/author/load", query={"count": "2"})
    assert totals(hansa) == [1, 6, 15, 16]


def test_a_composition_is_the_real_one(hansa: InlineHansa) -> None:
    assert hansa.call("POST /lab/author/compare", [8, 0, 3]) == {"halves": [4, 1], "largest": 8}
    assert hansa.call("POST /lab/author/compare", []) == {"halves": [], "largest": None}
    assert [(logic.name, logic.state) for logic in hansa.runs[-1].logic][2:] == [
        ("largest", "failed"), ("both", "succeeded"),
    ]  # fmt: skip
    assert [event["payload"] for event in hansa.events("lab.half")] == [8, 0, 3]


class Counting(MemoryLog):
    """A log that tells which positions it was read from."""

    def __init__(self) -> None:
        super().__init__()
        self.read_from: list[int] = []

    def read(self, topic: str, partition: int, position: int, *, max_bytes: int = 1 << 20) -> Any:
        self.read_from.append(position)
        return super().read(topic, partition, position, max_bytes=max_bytes)


def test_a_lookup_reads_each_record_once() -> None:
    log = Counting()
    log.start(lambda notice: None)
    log.declare("t", TopicConfig())
    lookup = _Lookup(log, "t")
    for key, body in (("a", 1), ("b", 2), ("a", 3)):
        log.submit(CommitSet(appends=(Append("t", 0, 1, encode_entry(key, body), {}),)), None)
        lookup.follow()
    assert log.read_from == [0, 1, 2]
    assert (lookup.get("a"), lookup.get("b"), lookup.get("c"), lookup.position()) == (b"\x03", b"\x02", None, 3)
