"""What every log must do, written once: subclass a suite, say how a log is opened, and let pytest collect it."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hansa.errors import CallerError, HansaError, Unavailable
from hansa.eventlog.interface import (
    Advance,
    Append,
    Claim,
    CommitSet,
    Committed,
    Log,
    Outcome,
    Put,
    Refused,
    TopicConfig,
    encode_entry,
    entries_of,
)
from hansa.testing.log_bench import OUTCOME_S, Bench, appending, bodies, entries, fill, picture, writing


class LogConformance(ABC):
    """What holds for every log."""

    @abstractmethod
    def open(self, folder: Path, clock_us: Callable[[], int]) -> Log:
        """The log under test; the same folder gives the same log."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        bench = Bench(lambda clock_us: self.open(tmp_path, clock_us))
        yield bench
        bench.log.stop()

    # Appending

    def test_positions_are_dense_and_in_order(self, bench: Bench) -> None:
        done = bench.write(writing("a", "b"), writing("c"), writing("d", "e"))
        assert [outcome.bases for outcome in done] == [(0,), (2,), (3,)]
        assert [(e.position, e.key, e.body) for e in entries(bench.log)] == [
            (at, "k", msgspec.msgpack.encode(body)) for at, body in enumerate("abcde")
        ]
        assert bench.log.bounds("t", 0) == (0, 5)

    def test_partitions_do_not_touch_one_another(self, bench: Bench) -> None:
        bench.log.declare("u", TopicConfig())
        both = CommitSet(appends=(appending(1, 2), appending(3, partition=1), appending(4, topic="u"), appending(5)))
        (done,) = bench.write(both)
        assert done.bases == (0, 0, 0, 2)
        assert (bodies(bench.log), bodies(bench.log, partition=1), bodies(bench.log, "u")) == ([1, 2, 5], [3], [4])

    def test_many_sets_of_one_queue_keep_their_order_and_headers(self, bench: Bench) -> None:
        outcomes = bench.commit(*[writing(run, run, run=run) for run in range(100)])
        assert [outcome.bases for outcome in outcomes if isinstance(outcome, Committed)] == [
            (2 * n,) for n in range(100)
        ]
        assert [entry.header["run"] for entry in entries(bench.log)] == [n // 2 for n in range(200)]

    def test_a_header_passes_through_as_it_was(self, bench: Bench) -> None:
        header = {"run": "r1", "type": "x", "deep": {"list": [1, None, 2.5], "bytes": b"\x00"}, "subject": "bo"}
        bench.write(CommitSet(appends=(Append("t", 0, 1, encode_entry(None, 1), header),)))
        assert entries(bench.log)[0].header == header

    def test_entries_may_be_a_view_of_a_buffer(self, bench: Bench) -> None:
        buffer = bytearray(encode_entry("k", "body"))
        bench.write(CommitSet(appends=(Append("t", 0, 1, memoryview(buffer), {}),)))
        assert bodies(bench.log) == ["body"]

    def test_an_append_of_nothing_takes_no_position(self, bench: Bench) -> None:
        done = bench.write(writing("a"), writing(), writing("b"))
        assert [outcome.bases for outcome in done] == [(0,), (1,), (1,)]
        assert bodies(bench.log) == ["a", "b"]

    def test_a_large_set_is_whole(self, bench: Bench) -> None:
        texts = [str(n) * 1_500_000 for n in range(6)]
        bench.commit(*[writing(text) for text in texts])
        assert bodies(bench.log) == texts

    # Refusing

    def test_a_refused_set_leaves_nothing(self, bench: Bench) -> None:
        epoch = bench.log.acquire("r")
        bench.log.acquire("r")
        bench.write(
            CommitSet(advances=(Advance("g", "t", 0, 7),), claims=(Claim("s", "taken", b"by me", 1 << 60),)),
        )
        effects = CommitSet((appending("no"),), (Advance("g", "t", 1, 1),), (Put("s", "no", b"no"),))
        moved = (*effects.advances, Advance("g", "t", 0, 9, expected=8))
        changed = (*effects.puts, Put("s", "other", b"new", expected=b"old"))
        claims = (Claim("s", "free", b"", 1 << 60), Claim("s", "taken", b"", 1 << 60))
        change = msgspec.structs.replace
        refusing = {
            ("partition.unknown", None): CommitSet(appends=(appending("no"), appending("no", topic="nowhere"))),
            ("position.moved", 7): change(effects, advances=moved),
            ("state.moved", None): change(effects, puts=changed),
            ("claim.taken", b"by me"): change(effects, claims=claims),
            ("epoch.fenced", 2): change(effects, fence=("r", epoch)),
        }
        before = picture(bench.log)
        outcomes = bench.commit(*refusing.values())
        assert [(o.code, o.value) for o in outcomes if isinstance(o, Refused)] == list(refusing)
        assert picture(bench.log) == before
        assert isinstance(bench.commit(CommitSet(claims=(Claim("s", "free", b"", 1 << 60),)))[0], Committed)

    @pytest.mark.parametrize("partition", [-1, 2])
    def test_a_partition_that_was_not_declared_is_refused(self, bench: Bench, partition: int) -> None:
        (outcome,) = bench.commit(writing(1, partition=partition))
        assert isinstance(outcome, Refused)
        assert outcome.code == "partition.unknown"

    def test_a_refused_set_does_not_touch_its_neighbours(self, bench: Bench) -> None:
        outcomes = bench.commit(writing(1), writing(2, partition=9), writing(3))
        assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
        assert bodies(bench.log) == [1, 3]

    def test_a_malformed_set_fails_alone(self, bench: Bench) -> None:
        outcomes = bench.commit(writing(1), writing(2, thing=object()), writing(3))
        assert [type(outcomes[0]), type(outcomes[2])] == [Committed, Committed]
        assert isinstance(outcomes[1], HansaError)
        assert outcomes[1].code == "commit.malformed"
        assert bodies(bench.log) == [1, 3]

    # Positions, claims, epochs, state

    def test_advances_chain_within_one_queue(self, bench: Bench) -> None:
        steps = [(0, 3), (3, 5), (3, 6), (5, 8), (None, 2)]
        outcomes = bench.commit(*[CommitSet(advances=(Advance("g", "t", 0, to, was),)) for was, to in steps])
        assert [type(outcome) for outcome in outcomes] == [Committed, Committed, Refused, Committed, Committed]
        assert bench.log.position("g", "t", 0) == 2
        assert bench.log.positions("g") == {("t", 0): 2}
        assert bench.log.position("g", "t", 1) is None

    def test_a_claim_holds_until_its_time(self, bench: Bench) -> None:
        def claim(value: bytes) -> Outcome:
            return bench.commit(CommitSet(claims=(Claim("s", "key", value, bench.now_us + 10),)))[0]

        assert isinstance(claim(b"one"), Committed)
        bench.now_us += 9
        refused = claim(b"two")
        assert isinstance(refused, Refused)
        assert refused.value == b"one"
        bench.now_us += 1
        assert isinstance(claim(b"three"), Committed)

    def test_a_claim_is_taken_by_the_first_of_one_queue(self, bench: Bench) -> None:
        outcomes = bench.commit(*[CommitSet(claims=(Claim("s", "key", value, 1 << 60),)) for value in (b"1", b"2")])
        assert [type(outcome) for outcome in outcomes] == [Committed, Refused]
        assert cast("Refused", outcomes[1]).value == b"1"

    def test_a_claim_that_has_ended_already_holds_nothing(self, bench: Bench) -> None:
        outcomes = bench.commit(
            *[CommitSet(claims=(Claim("s", "key", value, bench.now_us),)) for value in (b"1", b"2")]
        )
        assert [type(outcome) for outcome in outcomes] == [Committed, Committed]

    def test_a_later_epoch_fences_the_one_before(self, bench: Bench) -> None:
        first = bench.log.acquire("r")
        assert isinstance(bench.commit(CommitSet(fence=("r", first)))[0], Committed)
        second = bench.log.acquire("r")
        outcomes = bench.commit(CommitSet(fence=("r", first)), CommitSet(fence=("r", second)))
        assert (first, second) == (1, 2)
        assert [type(outcome) for outcome in outcomes] == [Refused, Committed]

    def test_state_is_set_removed_and_listed_by_key(self, bench: Bench) -> None:
        bench.commit(
            CommitSet(puts=(Put("s", "b", b"1"), Put("s", "a", b"2"), Put("s", "gone", b"3"), Put("other", "c", b"4"))),
            CommitSet(puts=(Put("s", "b", b"5"), Put("s", "gone", None), Put("s", "never", None))),
        )
        assert list(bench.log.scan("s")) == [("a", b"2"), ("b", b"5")]
        assert (bench.log.get("s", "b"), bench.log.get("s", "gone"), bench.log.get("other", "c")) == (b"5", None, b"4")

    def test_a_change_of_state_chains_within_one_queue(self, bench: Bench) -> None:
        steps = [(None, b"1"), (b"1", b"2"), (b"1", b"3"), (b"2", None), (None, b"4")]
        outcomes = bench.commit(*[CommitSet(puts=(Put("s", "key", to, expected=was),)) for was, to in steps])
        assert [type(outcome) for outcome in outcomes] == [Committed, Committed, Refused, Committed, Committed]
        assert cast("Refused", outcomes[2]).value == b"2"
        assert bench.log.get("s", "key") == b"4"

    # Reading

    def test_reading_begins_in_the_middle_of_a_batch(self, bench: Bench) -> None:
        bench.commit(writing(0, 1, 2), writing(3, 4, 5), writing(6, 7))
        assert bodies(bench.log, position=4) == [4, 5, 6, 7]
        assert bench.log.read("t", 0, 8) == bench.log.read("t", 0, 99) == bench.log.read("t", 1, 0) == []

    def test_reading_ends_near_max_bytes_with_at_least_one_chunk(self, bench: Bench) -> None:
        bench.write(*[writing("x" * 1000, n) for n in range(10)])
        chunks = bench.log.read("t", 0, 4, max_bytes=2500)
        assert 1 < len(chunks) < 8
        assert chunks[0].base == 4
        assert len(bench.log.read("t", 0, 4, max_bytes=1)) == 1

    def test_a_topic_that_was_not_declared_is_an_error(self, bench: Bench) -> None:
        for ask in (
            lambda: bench.log.read("no", 0, 0),
            lambda: bench.log.bounds("no", 0),
            lambda: bench.log.find("no", 0, 0),
        ):
            with pytest.raises(CallerError) as raised:
                ask()
            assert raised.value.code == "topic.unknown"

    def test_changes_give_every_commit_once_and_in_order(self, bench: Bench) -> None:
        bench.write(writing(1), writing(2, partition=1), writing(3), writing(4, partition=1))
        found: list[Any] = []
        cursor = ""
        while chunks := (step := bench.log.changes(cursor, max_bytes=1))[0]:
            found += [msgspec.msgpack.decode(entry.body) for chunk in chunks for entry in entries_of(chunk)]
            cursor = step[1]
        assert found == [1, 2, 3, 4]
        assert bench.log.changes(cursor) == ([], cursor)

    def test_a_reader_knows_when_it_has_seen_a_commit(self, bench: Bench) -> None:
        first, second = bench.write(writing(1), writing(2))
        _, half = bench.log.changes("", max_bytes=1)
        _, whole = bench.log.changes(half)
        assert bench.log.covers(half, first.token)
        assert not bench.log.covers(half, second.token)
        assert bench.log.covers(whole, second.token)
        assert bench.log.covers(whole, bench.log.now())
        assert not bench.log.covers("", first.token)

    def test_positions_are_found_by_time(self, bench: Bench) -> None:
        for step in range(20):
            bench.now_us = 1_000_000 + 10 * step
            bench.write(writing(*["x"] * (1 + step % 3)))
        starts = {chunk.time_us: chunk.base for chunk in bench.log.read("t", 0, 0)}
        end = bench.log.bounds("t", 0)[1]
        assert [bench.log.find("t", 0, at) for at in starts] == list(starts.values())
        assert [bench.log.find("t", 0, at - 1) for at in starts] == list(starts.values())
        assert bench.log.find("t", 0, 1_000_191) == end
        assert bench.log.find("t", 1, 0) == 0

    def test_time_always_moves_on(self, bench: Bench) -> None:
        for bench.now_us in (5_000_000, 3_000_000, 6_000_000):
            bench.write(writing("x"))
        assert [entry.time_us for entry in entries(bench.log)] == [5_000_000, 5_000_001, 6_000_000]

    # Control

    def test_retention_takes_whole_batches_and_leaves_the_last(self, bench: Bench) -> None:
        bench.write(writing(0, 1), writing(2, 3), writing(4, 5), writing("other", partition=1))
        assert bench.log.trim("t", 0, 1) == 0
        assert bench.log.trim("t", 0, 3) == 2
        assert bench.log.bounds("t", 0) == (2, 6)
        with pytest.raises(CallerError) as raised:
            bench.log.read("t", 0, 1)
        assert raised.value.code == "position.expired"
        assert raised.value.details["first"] == 2
        assert bench.log.trim("t", 0, 99) == 4
        assert (bodies(bench.log, position=4), bodies(bench.log, partition=1)) == ([4, 5], ["other"])
        assert bench.write(writing(6))[0].bases == (6,)

    def test_changes_go_on_behind_what_retention_took(self, bench: Bench) -> None:
        bench.write(writing(0), writing(1, partition=1), writing(2))
        bench.log.trim("t", 0, 1)
        chunks, cursor = bench.log.changes("")
        assert [chunk.base for chunk in chunks] == [0, 1]
        assert bench.log.covers(cursor, bench.log.now())

    def test_a_topic_never_loses_partitions(self, bench: Bench) -> None:
        bench.log.declare("t", TopicConfig(partitions=1, retention_s=60))
        assert bench.log.topics() == {"t": TopicConfig(partitions=2, retention_s=60)}
        bench.log.declare("t", TopicConfig(partitions=4))
        assert bench.log.topics() == {"t": TopicConfig(partitions=4)}
        assert (bench.log.topic("t"), bench.log.topic("u")) == (TopicConfig(partitions=4), None)
        assert bench.write(writing(1, partition=3))[0].bases == (0,)

    def test_forgetting_a_person_empties_what_was_written_of_them(self, bench: Bench) -> None:
        bench.commit(writing("a", "b", subject="bo"), writing("c", subject="al"), writing("d"))
        assert bodies(bench.log) == ["a", "b", "c", "d"]
        bench.write(CommitSet(forgets=("bo",)))
        bench.write(CommitSet(forgets=("nobody",)))
        assert bodies(bench.log) == [None, None, "c", "d"]
        assert [(entry.position, entry.key) for entry in entries(bench.log)][:3] == [(0, None), (1, None), (2, "k")]
        assert [chunk.count for chunk in bench.log.changes("")[0]] == [2, 1, 1]
        bench.write(writing("again", subject="bo"))
        assert bodies(bench.log) == [None, None, "c", "d", "again"]

    def test_a_person_keeps_a_number_and_no_name(self, bench: Bench) -> None:
        bench.write(writing("a", subject="bo"), writing("b", subject="al"), writing("c", subject="bo"), writing("d"))
        bo, al = bench.log.person("bo"), bench.log.person("al")
        assert None not in (bo, al)
        bench.write(CommitSet(forgets=("bo",)))
        assert [(e.person, e.header.get("subject")) for e in entries(bench.log)] == [
            (bo, None),
            (al, "al"),
            (bo, None),
            (None, None),
        ]
        assert bench.log.person("bo") is None
        bench.write(writing("again", subject="bo"))
        assert bench.log.person("bo") not in (None, bo, al)

    def test_forgetting_takes_what_the_same_set_says(self, bench: Bench) -> None:
        bench.write(writing("a", subject="bo"))
        bench.write(CommitSet(appends=(appending("told"),), forgets=("bo", "nobody")))
        assert bodies(bench.log) == [None, "told"]

    def test_erasing_puts_other_bodies_in_the_same_places(self, bench: Bench) -> None:
        bench.commit(writing("a", "b", run=1), writing("c", run=2), writing("sealed", subject="bo"), writing("d"))
        bench.write(writing("e"), writing("f"))
        new = {at: msgspec.msgpack.encode(f"new {at}") for at in (1, 3, 5, 99)}
        bench.log.erase("t", 0, new)
        assert bodies(bench.log) == ["a", "new 1", "c", "sealed", "d", "new 5", "f"]
        assert [(e.position, e.key, e.header.get("run")) for e in entries(bench.log)][:3] == [
            (0, "k", 1),
            (1, "k", 1),
            (2, "k", 2),
        ]
        bench.log.trim("t", 0, 5)
        bench.log.erase("t", 0, {0: new[1], 6: new[3]})
        assert bodies(bench.log, position=5) == ["new 5", "new 3"]

    def test_erasing_whole_entries_leaves_their_places(self, bench: Bench) -> None:
        bench.commit(writing("a", "b", run=1), writing("sealed", subject="bo"), writing("c"))
        bench.log.erase("t", 0, {0: None, 2: None, 3: msgspec.msgpack.encode("new")})
        assert [(e.position, e.key) for e in entries(bench.log)] == [(0, None), (1, "k"), (2, "k"), (3, "k")]
        assert bodies(bench.log) == [None, "b", "sealed", "new"]

    def test_retention_waits_for_who_has_not_seen(self, bench: Bench) -> None:
        bench.write(writing(0), writing("other", partition=1), writing(1))
        _, cursor = bench.log.changes("")
        bench.write(writing(2), writing(3))
        assert bench.log.behind(cursor) == 2
        assert bench.log.trim("t", 0, 99, seen="") == 0
        assert bench.log.trim("t", 0, 99, seen=cursor) == 2
        assert bench.log.trim("t", 0, 99, seen=bench.log.now()) == 3

    # Life

    def test_an_acknowledgement_that_raises_stops_nothing(self, bench: Bench) -> None:
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def deliver(notice: list[tuple[Any, Outcome]]) -> None:
            for ticket, _ in notice:
                told.put(ticket)
            raise RuntimeError("the caller went away")

        bench.log.start(deliver)
        for ticket in range(3):
            bench.log.submit(writing(ticket), ticket)
            assert told.get(timeout=OUTCOME_S) == ticket
        assert bodies(bench.log) == [0, 1, 2]

    def test_an_acknowledgement_may_submit(self, bench: Bench) -> None:
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def deliver(notice: list[tuple[Any, Outcome]]) -> None:
            for ticket, _ in notice:
                if ticket < 3:
                    bench.log.submit(writing(ticket + 1), ticket + 1)
                told.put(ticket)

        bench.log.start(deliver)
        bench.log.submit(writing(0), 0)
        assert [told.get(timeout=OUTCOME_S) for _ in range(4)] == [0, 1, 2, 3]
        assert bodies(bench.log) == [0, 1, 2, 3]

    def test_stopping_commits_what_was_submitted(self, bench: Bench) -> None:
        told: list[Any] = []
        bench.log.start(told.extend)
        for ticket in range(50):
            bench.log.submit(writing(ticket), ticket)
        bench.log.stop()
        bench.log.stop()
        assert [ticket for ticket, outcome in told if isinstance(outcome, Committed)] == list(range(50))
        with pytest.raises(Unavailable) as raised:
            bench.log.submit(writing("late"), 50)
        assert raised.value.code == "log.stopped"


class DurableLogConformance(LogConformance):
    """What holds for a log that outlives its process."""

    def test_opening_again_gives_the_same(self, bench: Bench) -> None:
        fill(bench)
        before = picture(bench.log)
        bench.reopen()
        assert picture(bench.log) == before
        outcomes = bench.commit(
            writing("next"), CommitSet(fence=("r", 1)), CommitSet(claims=(Claim("s", "key", b"", 1 << 60),))
        )
        assert cast("Committed", outcomes[0]).bases == (5,)
        assert [outcome.code for outcome in outcomes[1:] if isinstance(outcome, Refused)] == [
            "epoch.fenced",
            "claim.taken",
        ]
        assert bench.log.acquire("r") == 3
