"""What author code sees of a run: effects that wait for the commit, state that is asked for once, and capped output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hansa.errors import AuthorError, CallerError
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind
from hansa.model.run import EVENTS_TOPIC
from hansa.runtime import wire
from hansa.runtime.buffer import Buffer, gathered
from hansa.runtime.context import CappedOutput, RunContext, RunState, Secrets
from hansa.runtime.publishing import Publisher
from hansa.runtime.stops import Place
from hansa.runtime.translation import Translations
from hansa.sdk.context import RunInfo, TriggerInfo
from hansa.sdk.encode import key_text
from hansa.sdk.ports import OutputPort, Record

ENCODE = msgspec.msgpack.encode
RUN = RunInfo("018f0000-1234-7000-8000-000000000000", "load", "shop.orders", "r1", principal="ada")
NOW_US = 1_700_000_000_000_000


class Order(Record, frozen=True):
    shop: str
    number: int


orders = OutputPort("shop.orders/orders@1", Order, key=("shop",))
ORDERS = OutputPortSpec(
    orders.id, "orders", "1.0.0", PortKind.STREAM,
    ContractSpec("o", "1.0.0", (FieldSpec("shop", "string", True), FieldSpec("number", "integer", True)), ("shop",)),
)  # fmt: skip
foreign = OutputPort("shop.other/orders@1", Order, key=("shop",))


class Server:
    """Answers as the server would, and keeps what it was asked."""

    def __init__(self, state: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None) -> None:
        self.place = Place()
        self.asked: list[tuple[str, Any]] = []
        self.state = {key: ENCODE(value) for key, value in (state or {}).items()}
        self.secrets = dict(secrets or {})
        self.answer: dict[str, Any] = {"error": None, "result": b"null"}

    def ask(self, what: str, arguments: Any) -> Any:
        self.asked.append((what, arguments))
        if what == "call":
            return self.answer
        operation, *rest = arguments
        if what == "secret":
            return sorted(self.secrets) if operation == "names" else self.secrets.get(rest[0])
        if operation == "get":
            return self.state.get(rest[0])
        return [key for key in self.state if key.startswith(rest[0])]


class Read:
    """A read model that stands at one position."""

    def __init__(self, records: dict[str, Record], position: int) -> None:
        self.records = records
        self.end = position
        self.asked_at: list[int | None] = []

    def get(self, key: str, at: int | None = None) -> bytes | None:
        self.asked_at.append(at)
        return ENCODE(self.records[key]) if key in self.records else None

    def position(self) -> int:
        return self.end


def at_work(logic: str) -> Place:
    place = Place()
    place.logic = logic
    return place


def context(
    server: Server | None = None,
    buffer: Buffer | None = None,
    read: Read | None = None,
    at: dict[str, int] | None = None,
    place: Place | None = None,
) -> RunContext:
    return RunContext(
        RUN,
        lambda: TriggerInfo("manual"),
        buffer or Buffer(),
        server or Server(),
        Publisher(RUN.product, [ORDERS], server or Server(), Translations()),
        CappedOutput(1000),
        lambda port: read or Read({}, 0),
        lambda: NOW_US,
        at or {},
        place or at_work("place"),
    )


# Effects


def effect(entries: bytes, *, partition: int = 0, subject: str | None = None) -> wire.Effect:
    return wire.Effect("t", partition, len(entries), entries, subject)


def test_neighbours_of_one_partition_are_gathered_in_order() -> None:
    assert gathered([effect(b"ab"), effect(b"x", partition=1), effect(b"c")]) == [
        effect(b"abc"),
        effect(b"x", partition=1),
    ]


def test_entries_of_two_people_are_never_gathered() -> None:
    effects = [effect(b"a", subject="ada"), effect(b"b", subject="bob"), effect(b"c", subject="ada")]
    assert gathered(effects) == effects


def test_going_back_to_a_mark_drops_all_that_came_after_it() -> None:
    buffer = Buffer()
    ctx = context(buffer=buffer)
    ctx.publish(orders, Order("a", 1))
    ctx.state.put("kept", 1)
    mark = buffer.mark()
    ctx.publish(orders, Order("b", 2))
    ctx.emit("order.placed")
    ctx.state.put("kept", 2)
    ctx.state.put("new", 3)
    buffer.keep(mark)
    effects, puts = buffer.taken()
    assert [(e.topic, e.count) for e in effects] == [(orders.id, 1)]
    assert puts == [wire.StatePut("kept", ENCODE(1), None)]


def test_what_was_taken_is_not_there_any_more() -> None:
    buffer = Buffer()
    ctx = context(buffer=buffer)
    ctx.emit("order.placed")
    ctx.state.put("n", 1)
    assert buffer.taken() != ([], [])
    assert buffer.taken() == ([], [])


def test_publishing_to_a_port_of_another_product_is_refused() -> None:
    buffer = Buffer()
    with pytest.raises(AuthorError) as caught:
        context(buffer=buffer).publish(foreign, Order("a", 1))
    assert caught.value.code == "port.not_own"
    assert buffer.taken() == ([], [])


def test_an_event_tells_where_it_came_from_and_its_order_within_the_run() -> None:
    buffer = Buffer()
    ctx = context(buffer=buffer)
    ctx.emit("order.placed", target="the shop", payload={"n": 1})
    ctx.emit("order.placed", source="order 7", key="k")
    (found,), _ = buffer.taken()
    assert (found.topic, found.count) == (EVENTS_TOPIC, 2)
    events = msgspec.msgpack.decode(b"\x92" + found.entries)
    assert [key for key, _ in events] == [None, "k"]
    first, second = (body for _, body in events)
    assert (first["source"], second["source"]) == ("shop.orders", "order 7")
    assert (first["seq"], second["seq"]) == (0, 1)
    assert (first["run"], first["logic"], first["principal"], first["time_us"]) == (RUN.id, "place", "ada", NOW_US)
    assert first["id"] != second["id"]


# State


def test_state_is_asked_for_once_a_key() -> None:
    server = Server({"n": 3})
    state = RunState(Buffer(), server)
    assert (state.get("n"), state.get("n"), state.get("absent", 7)) == (3, 3, 7)
    assert server.asked == [("state", ["get", "n"]), ("state", ["get", "absent"])]


def test_a_change_is_seen_at_once_and_expects_what_stood_before() -> None:
    buffer, server = Buffer(), Server({"n": 3})
    state = RunState(buffer, server)
    state.put("n", 4)
    state.put("n", 5)
    assert state.get("n") == 5
    assert buffer.taken()[1] == [wire.StatePut("n", ENCODE(5), ENCODE(3))]


def test_a_change_back_to_what_stood_there_commits_nothing() -> None:
    buffer = Buffer()
    state = RunState(buffer, Server({"n": 3}))
    state.put("n", 4)
    state.put("n", 3)
    assert buffer.taken()[1] == []


def test_a_removed_key_is_gone_for_the_run_and_its_default_counts() -> None:
    buffer = Buffer()
    state = RunState(buffer, Server({"n": 3}))
    state.remove("n")
    assert state.get("n", "none") == "none"
    assert buffer.taken()[1] == [wire.StatePut("n", None, ENCODE(3))]


def test_keys_are_those_of_the_store_with_the_changes_of_the_run() -> None:
    state = RunState(Buffer(), Server({"a.1": 1, "a.2": 2, "b.1": 3}))
    state.remove("a.1")
    state.put("a.0", 1)
    state.put("b.2", 1)
    assert list(state.keys("a.")) == ["a.0", "a.2"]


def test_a_secret_is_asked_for_when_it_is_read_and_unknown_ones_are_key_errors() -> None:
    server = Server(secrets={"token": "xyz"})
    secrets = Secrets(server)
    assert server.asked == []
    assert (secrets["token"], list(secrets), len(secrets)) == ("xyz", ["token"], 1)
    with pytest.raises(KeyError, match="absent"):
        secrets["absent"]


# Output


def test_output_is_cut_once_with_a_line_that_says_so() -> None:
    output = CappedOutput(10)
    for _ in range(3):
        output.add("12345678")
    assert output.taken() == "1234567812\n[output was cut after 10 bytes]\n"


def test_output_that_fits_exactly_is_not_cut_and_taking_it_makes_room() -> None:
    output = CappedOutput(8)
    output.add("12345678")
    assert output.taken() == "12345678"
    output.add("12345678")
    assert (output.taken(), output.taken()) == ("12345678", "")


def test_a_line_has_its_level_and_fields() -> None:
    output = CappedOutput(100)
    output.write("info", "loaded", rows=3, of="a")
    assert output.taken() == "info: loaded rows=3 of='a'\n"


# Lookups, calls, time


def test_a_lookup_gives_the_record_of_its_class_or_none() -> None:
    ctx = context(read=Read({"a": Order("a", 1)}, 5))
    assert ctx.lookup(orders, shop="a") == Order("a", 1)
    assert ctx.lookup(orders, shop="b") is None
    assert ctx.looked_up == {orders.id: 5}


def test_a_replay_looks_up_what_the_run_saw() -> None:
    read = Read({}, 9)
    ctx = context(read=read, at={orders.id: 5})
    ctx.lookup(orders, shop="a")
    assert (read.asked_at, ctx.looked_up) == ([5], {orders.id: 5})


@pytest.mark.parametrize("key", [{}, {"number": 1}, {"shop": "a", "number": 1}])
def test_a_lookup_by_anything_but_the_key_is_refused(key: dict[str, Any]) -> None:
    with pytest.raises(AuthorError) as caught:
        context().lookup(orders, **key)
    assert caught.value.code == "lookup.key"


def test_the_key_of_a_record_is_its_text_or_json() -> None:
    assert [key_text(["a b"]), key_text([7]), key_text(["a", 7])] == ["a b", "[7]", '["a",7]']


def test_each_call_has_a_key_of_its_own_unless_it_was_given_one() -> None:
    server = Server()
    ctx = context(server)
    for key in (None, None, "mine"):
        ctx.call("other", {"n": 1}, key=key)
    first, second, given = (arguments for _, arguments in server.asked)
    assert first[:2] == ["other", b'{"n":1}']
    assert first[2] != second[2]
    assert given[2] == "mine"


def test_a_call_gives_the_decoded_result_or_raises_the_error() -> None:
    server = Server()
    server.answer = {"error": None, "result": b'{"n":2}'}
    assert context(server).call("other") == {"n": 2}
    server.answer = {"error": {"code": "sum.negative", "message": "left is negative", "hint": "h"}, "result": b""}
    with pytest.raises(CallerError) as caught:
        context(server).call("other")
    assert (caught.value.code, caught.value.hint) == ("sum.negative", "h")


def test_now_stands_still_within_a_run() -> None:
    times = iter([NOW_US, NOW_US + 1])
    ctx = RunContext(
        RUN,
        lambda: TriggerInfo("manual"),
        Buffer(),
        Server(),
        Publisher(RUN.product, [ORDERS], Server(), Translations()),
        CappedOutput(1),
        lambda port: Read({}, 0),
        lambda: next(times),
        {},
        Place(),
    )
    assert ctx.now() == ctx.now() == datetime.fromtimestamp(NOW_US / 1e6, UTC)


def test_uuids_are_new_within_a_run_and_the_same_in_its_next_attempt() -> None:
    first, again = context(), context()
    made = [first.uuid() for _ in range(3)]
    assert len(set(made)) == 3
    assert [again.uuid() for _ in range(3)] == made
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert all(re.match("018f0000-1234-7", str(one)) for one in made)


def test_a_journalled_logic_publishes_emits_and_changes_what_it_did_before() -> None:
    first, server = Buffer(), Server({"count": 1})
    ctx = context(server, first)
    ctx.emit("before")
    mark = first.mark()
    ctx.publish(orders, Order("north", 1))
    ctx.emit("placed")
    ctx.state.put("count", ctx.state.get("count") + 1)
    step = msgspec.msgpack.decode(ENCODE(first.since(mark, b"")), type=wire.Step)

    second = Buffer()
    again = context(Server({"count": 7}), second)
    second.restore(step)
    assert again.state.get("count") == 2
    effects, puts = second.taken()
    assert [(effect.topic, effect.count) for effect in effects] == [(orders.id, 1), (EVENTS_TOPIC, 1)]
    assert puts == [wire.StatePut("count", ENCODE(2), ENCODE(1))]  # refused at the commit: it has moved to 7


def test_after_a_commit_the_state_is_known_as_it_left_it() -> None:
    """A load commits chunk by chunk: the second chunk counts on."""
    buffer = Buffer()
    ctx = context(Server({"count": 1}), buffer)
    ctx.state.put("count", 2)
    buffer.taken()
    ctx.state.put("count", ctx.state.get("count") + 1)
    assert buffer.taken()[1] == [wire.StatePut("count", ENCODE(3), ENCODE(2))]


@pytest.mark.parametrize("arguments", [{"name": ""}, {"name": 5}, {"name": "x" * 2000}, {"name": "n", "key": 5}])
def test_an_event_that_the_server_would_not_take_is_refused_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(AuthorError, match=r"event\.invalid"):
        context(Server()).emit(arguments.pop("name"), **arguments)


@pytest.mark.parametrize("key", [5, None, "k" * 2000])
def test_a_key_of_state_is_a_short_text(key: Any) -> None:
    with pytest.raises(AuthorError, match=r"state\.key"):
        RunState(Buffer(), Server()).put(key, 1)


def test_a_branch_knows_the_keys_that_its_run_has_published() -> None:
    buffer = Buffer()
    entries = b"".join(ENCODE((key, {"n": 1})) for key in ("a", "b", None))
    buffer.effects.append(wire.Effect("shop.orders/orders@1", 0, 3, entries))
    branch = buffer.fork()
    branch.effects += [wire.Effect("shop.orders/orders@1", 0, 1, ENCODE(("c", {})))]
    assert (branch.keys("shop.orders/orders@1"), branch.fork().keys("shop.other/x@1")) == ({"a", "b", "c"}, set())
    assert buffer.keys("shop.orders/orders@1") == {"a", "b"}
    buffer.join(branch)
    assert buffer.keys("shop.orders/orders@1") == {"a", "b", "c"}
