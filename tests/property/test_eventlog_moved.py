"""A log that is taken to another kind of log, and back, is the same log, whatever has happened to it, and goes on."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.eventlog.image import BEFORE, BEHIND, Fact, Image, Numbered, copy, digests
from hansa.eventlog.interface import Advance, Append, Claim, CommitSet, Log, Put, TopicConfig
from hansa.eventlog.kafka import KafkaLog
from hansa.eventlog.kafka_image import KafkaImage
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_image import SqliteImage
from hansa.testing.log_bench import Bench, appending, picture, writing

Kind = Literal["sqlite", "kafka"]
Act = Callable[[Bench], object]


class Place:
    """A log of a kind, in a folder or a cluster of its own name."""

    def __init__(self, kind: Kind, broker: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self._broker = {"bootstrap.servers": broker, "log_level": 2} if kind == "kafka" else None
        self._name = uuid.uuid4().hex[:12]

    def log(self, clock_us: Callable[[], int]) -> Log:
        if self._broker:
            return KafkaLog(self._broker, self._name, clock_us=clock_us)
        return SqliteLog(self.folder, clock_us=clock_us)

    def image(self) -> Image:
        return KafkaImage(self._broker, self._name) if self._broker else SqliteImage(self.folder)

    def seen(self) -> dict[str, Any]:
        """Everything in it, and what readers see."""
        with closing(self.image()) as image:
            found: dict[str, Any] = {kind: list(image.facts(kind)) for kind in (*BEFORE, *BEHIND)}
            found |= {"batches": list(image.batches(0)), "digests": digests(image)}
        log = self.log(lambda: 0)
        try:
            return found | {"seen": picture(log, ("g", "h"), ("s",))}
        finally:
            log.stop()


class Dies(Image):
    """An image that takes so many portions, and then no more."""

    def __init__(self, image: Image, portions: int) -> None:
        self._image, self._left = image, portions

    def facts(self, kind: str) -> Iterator[Fact]:
        return self._image.facts(kind)

    def batches(self, behind: int) -> Iterator[Numbered]:
        return self._image.batches(behind)

    def reached(self) -> int:
        return self._image.reached()

    def take(self, batches: Sequence[Numbered], facts: Sequence[Fact]) -> None:
        if not self._left:
            raise InterruptedError
        self._left -= 1
        self._image.take(batches, facts)

    def marked(self) -> bytes | None:
        return self._image.marked()

    def close(self) -> None:
        self._image.close()


def committing(sets: list[CommitSet]) -> Act:
    return lambda bench: bench.commit(*sets)


def forgetting(subject: str) -> Act:
    return lambda bench: bench.commit(CommitSet(forgets=(subject,)))


def trimming(partition: int, before: int) -> Act:
    return lambda bench: bench.log.trim("t", partition, before)


def erasing(partition: int, at: int) -> Act:
    def erase(bench: Bench) -> None:
        first, _ = bench.log.bounds("t", partition)
        bench.log.erase("t", partition, {first + at: None})

    return erase


@st.composite
def appends(draw: st.DrawFn) -> Append:
    header = {"subject": subject} if (subject := draw(st.sampled_from([None, "bo", "al"]))) else {}
    plain = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3))
    return appending(*plain, topic=draw(st.sampled_from("tu")), partition=draw(st.integers(0, 1)), **header)


ADVANCES = st.builds(Advance, st.sampled_from("gh"), st.just("t"), st.integers(0, 1), st.integers(0, 3))
PUTS = st.builds(Put, st.sampled_from("sz"), st.sampled_from("abc"), st.none() | st.binary(max_size=2))
CLAIMS = st.builds(Claim, st.just("s"), st.text(max_size=3), st.binary(max_size=2), st.integers(1, 10**9))
SETS = st.one_of(
    st.builds(CommitSet, st.lists(appends(), min_size=1, max_size=3).map(tuple), st.tuples(ADVANCES)),
    st.builds(CommitSet, st.tuples(appends()), st.tuples(ADVANCES), st.lists(PUTS, max_size=2).map(tuple)),
    st.builds(CommitSet, puts=st.tuples(PUTS), claims=st.tuples(CLAIMS)),
)
COMMITTING = st.lists(SETS, min_size=1, max_size=4).map(committing)
ACTS = st.one_of(
    COMMITTING,
    COMMITTING,
    st.sampled_from(["bo", "al"]).map(forgetting),
    st.builds(trimming, st.integers(0, 1), st.integers(1, 6)),
    st.builds(erasing, st.integers(0, 1), st.integers(0, 3)),
    st.just(lambda bench: bench.log.acquire("r")),
    st.sampled_from([None, 60.0]).map(lambda kept: lambda bench: bench.log.declare("u", TopicConfig(3, kept))),
)
LIVES = st.lists(ACTS, min_size=3, max_size=12)
few = settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))


@settings(max_examples=25, deadline=None)
@given(acts=LIVES, dies_after=st.integers(0, 6))
def test_a_log_that_was_taken_to_another_file_is_the_same(acts: list[Act], dies_after: int) -> None:
    assert_same(["sqlite", "sqlite", "sqlite"], "", acts, dies_after)


@pytest.mark.slow
@few
@given(acts=LIVES, dies_after=st.integers(0, 6))
def test_a_log_that_was_taken_to_kafka_and_back_is_the_same(
    kafka_address: str, acts: list[Act], dies_after: int
) -> None:
    assert_same(["sqlite", "kafka", "sqlite"], kafka_address, acts, dies_after)


@pytest.mark.slow
@few
@given(acts=LIVES, dies_after=st.integers(0, 6))
def test_a_log_that_was_taken_from_kafka_and_back_is_the_same(
    kafka_address: str, acts: list[Act], dies_after: int
) -> None:
    assert_same(["kafka", "sqlite", "kafka"], kafka_address, acts, dies_after)


def assert_same(kinds: list[Kind], broker: str, acts: list[Act], dies_after: int) -> None:
    """That a log with such a life is the same after each of its moves, of which the first try dies."""
    with ExitStack() as removed:
        places = [Place(kind, broker) for kind in kinds]
        for place in places:
            removed.callback(shutil.rmtree, place.folder)
        lived(places[0], acts)
        for source, target in pairwise(places):
            taken(source, target, dies_after)
        first, *others = [place.seen() for place in places]
        assert all(found == first for found in others)
        assert goes_on(places[0]) == goes_on(places[2])


def lived(place: Place, acts: list[Act]) -> None:
    bench = Bench(place.log)
    try:
        bench.log.declare("u", TopicConfig(partitions=2))
        bench.start()
        for act in acts:
            bench.now_us += 30_000_000
            act(bench)
    finally:
        bench.log.stop()


def taken(source: Place, target: Place, dies_after: int) -> None:
    """As two processes do it, of which the first one dies."""
    with closing(source.image()) as given, closing(target.image()) as taking:
        given.set_mark(b"source")
        taking.set_mark(b"target")
        try:
            copy(given, Dies(taking, dies_after))
        except InterruptedError:
            copy(given, taking)
    with closing(source.image()) as given, closing(target.image()) as taking:
        assert (given.marked(), taking.marked()) == (b"source", b"target")
        assert digests(given) == digests(taking)
        taking.set_mark(None)


def goes_on(place: Place) -> Any:
    """What is committed behind what was taken, with persons who were known and one who was not."""
    bench = Bench(place.log)
    try:
        bench.now_us = 10**12
        done = bench.write(*[writing(1, subject=who) for who in ("bo", "al", "new")])
        return done, [bench.log.person(who) for who in ("bo", "al", "new")], bench.log.acquire("r")
    finally:
        bench.log.stop()
