"""Where a node stands among others: settings, membership, whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.access.pepper import pepper_of
from hansa.bootstrap import nodes
from hansa.bootstrap.clock import SharedClock
from hansa.bootstrap.nodes import SEATS, LeasedOwnership, Membership, Turns, untidied
from hansa.bootstrap.place import Place, place_from, settings_in
from hansa.errors import OperatorError
from hansa.eventlog.interface import Append, CommitSet, Put, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.owner import REPLIES, FrameReplies, Owner, last_frame
from hansa.eventlog.ownership import Address
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Node

LOG = "kafka://one:9092,two:9092/hansa"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    found = SqliteRegistry(tmp_path / "registry.db")
    yield found
    found.close()


# Settings


def test_without_settings_a_hansa_is_alone_and_does_everything() -> None:
    place = place_from({}, "127.0.0.1", 8080)
    assert (place.is_shared, place.roles, place.url) == (False, ("api", "worker", "scheduler"), "http://127.0.0.1:8080")


def test_settings_name_the_log_and_what_a_node_does(tmp_path: Path) -> None:
    (tmp_path / "client.properties").write_text("# TLS\nsecurity.protocol = SSL\n\nssl.ca.location=/ca.pem\n")
    place = place_from(
        {"HANSA_LOG": LOG, "HANSA_NODE": "a", "HANSA_ROLES": "api, worker", "HANSA_ADVERTISE": "10.0.0.7",
         "HANSA_KAFKA_SETTINGS": str(tmp_path / "client.properties")}, "0.0.0.0", 80,
    )  # fmt: skip
    settings, name = place.kafka_log()
    assert (name, settings["bootstrap.servers"]) == ("hansa", "one:9092,two:9092")
    assert (settings["security.protocol"], settings["ssl.ca.location"]) == ("SSL", "/ca.pem")
    assert (place.node, place.url, place.listen, place.has("scheduler")) == (
        "a",
        "http://10.0.0.7:80",
        "0.0.0.0",
        False,
    )


@pytest.mark.parametrize("log", ["kafka://", "kafka://one:9092", "kafka:///x", "redis://one/x", "kafka://one/a b"])
def test_an_address_that_is_none_is_refused_with_its_form(log: str) -> None:
    with pytest.raises(OperatorError, match=r"kafka://HOST:PORT/NAME") as refused:
        Place(log).kafka_log()
    assert refused.value.code == "log.address"


@pytest.mark.parametrize("roles", ["", "api,cook", ","])
def test_roles_that_there_are_not_are_refused(roles: str) -> None:
    with pytest.raises(OperatorError, match="api, worker, scheduler"):
        place_from({"HANSA_ROLES": roles}, "h", 1)


def test_a_file_of_settings_is_refused_by_its_line_or_its_name(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("security.protocol\n")
    for file in ("wrong", "missing"):
        with pytest.raises(OperatorError) as refused:
            settings_in(str(tmp_path / file))
        assert refused.value.code == "log.settings"
    assert settings_in("") == []


def test_nodes_share_a_secret_of_a_length() -> None:
    assert pepper_of("ab" * 32) == b"\xab" * 32
    for text in ("", "ab", "xy" * 32):
        with pytest.raises(OperatorError, match="openssl rand"):
            pepper_of(text)


# Who does what


def test_a_partition_is_followed_at_one_of_those_that_have_workers(registry: SqliteRegistry) -> None:
    told = [Node("a", "http://a", ("api",)), Node("b", "http://b", ("worker",)), Node("c", "http://c", ("worker",))]
    members = [Membership(registry, node, 60, _nothing) for node in told]

    async def body() -> None:
        for _ in range(2):
            for member in members:
                await member.join()

    asyncio.run(body())
    for partition in range(20):
        assert [member.shares("g", partition) for member in members].count(True) == 1
        assert not members[0].shares("g", partition)
    assert members[0].others() == ["b", "c"]


def test_a_node_is_lost_when_it_was_silent_for_a_session(
    registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Membership(registry, Node("a", "http://a", ("worker",)), 5, _nothing)
    now = [100.0]
    monkeypatch.setattr(nodes.time, "monotonic", lambda: now[0])
    assert not member.is_lost("a")
    assert not member.is_lost("gone"), "it may be that it was only not heard of yet"
    now[0] += 4.9
    assert not member.is_lost("gone")
    now[0] += 0.2
    assert member.is_lost("gone")


def test_the_lease_names_the_owner_and_where_it_is(registry: SqliteRegistry) -> None:
    first, second, front = (
        LeasedOwnership(registry, "log", may_own=may_own, session_s=60, clock=SharedClock())
        for may_own in (True, True, False)
    )
    for number, ownership in enumerate((first, second, front)):
        ownership.at(f"n{number}", "10.0.0.1", 7000 + number)
    assert not front.take()
    assert front.owner() is None
    assert (first.take(), second.take(), first.take()) == (True, False, True)
    assert (second.owner(), first.owner(), front.holder()) == (Address("10.0.0.1", 7000), None, "n0")
    first.release()
    assert second.take()


def test_who_owns_the_log_goes_by_the_time_of_the_registry(tmp_path: Path) -> None:
    """Whatever time it is there: what is decided for all nodes must not change with the node that decides it."""
    with contextlib.closing(SqliteRegistry(tmp_path / "registry.db", clock_us=lambda: 7_000_000)) as registry:
        clock = SharedClock()
        ownership = LeasedOwnership(registry, "log", may_own=True, session_s=60, clock=clock)
        ownership.at("n", "10.0.0.1", 7000)
        assert ownership.take()
        assert 7_000_000 <= clock() < 67_000_000


def test_two_turns_to_change_a_product_do_not_overlap(registry: SqliteRegistry) -> None:
    told: list[str] = []

    async def current(product: str) -> None:
        told.append(f"current {product}")

    async def change(turns: Turns, name: str) -> None:
        async with turns.turn("a.b"):
            told.append(f"begin {name}")
            await asyncio.sleep(0.02)
            told.append(f"end {name}")

    async def body() -> None:
        first, second = (Turns(registry, node, 60, current) for node in "ab")
        await asyncio.gather(change(first, "one"), change(second, "two"), change(first, "three"))

    asyncio.run(body())
    changes = [text for text in told if not text.startswith("current")]
    assert [text.partition(" ")[0] for text in changes] == ["begin", "end"] * 3
    assert all(changes[at].split()[1] == changes[at + 1].split()[1] for at in (0, 2, 4))


async def _nothing() -> None: ...


def test_of_a_node_that_is_gone_for_good_the_log_keeps_a_number() -> None:
    log = MemoryLog(replies=FrameReplies())
    log.declare("t", TopicConfig())
    owner = Owner(log)
    for name in ("gone", "here"):
        owner.commit(name, 7, [CommitSet((Append("t", 0, 1, encode_entry(None, "x"), {}),))])
        owner.commit(name, 8, [CommitSet(puts=(Put(SEATS, name, b"seat"),))])
    (tidied,) = untidied(log, lambda node: node == "gone")
    owner.commit("here", 9, [tidied])
    assert [name for name, _ in log.scan(SEATS)] == ["here"]
    assert last_frame(log.get(REPLIES, "gone")) == 9
    assert list(untidied(log, lambda node: node == "gone")) == []
