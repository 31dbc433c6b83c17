"""The broker: calls in threads, use told, errors without secrets, connections shared and replaced."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hansa.egress.broker import Broker, without_secrets
from hansa.egress.exits import Exits, open_exit
from hansa.egress.interface import Call, Exit
from hansa.egress.settings import ConnectionSetting, MemorySettings, Scoped, Settings
from hansa.errors import CallerError, HansaError, OperatorError, Unavailable

FLIGHTS = "operations.flights"
CREWS = "operations.crews"
RUN = "0198f000"


class Place(Exit):
    """An exit for the tests of what surrounds exits: it notes its calls, fails, and waits, as asked."""

    operations = ("note", "fail", "break_down", "wait")

    def __init__(self, setting: ConnectionSetting) -> None:
        self.uri = setting.url
        self.setting = setting
        self.calls: list[Call] = []
        self.is_open = True
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def call(self, call: Call) -> Any:
        self.calls.append(call)
        match call.operation:
            case "fail":
                raise Unavailable("connection.failed", "401 for s3 cret, sent s3%20cret", details={"sent": "s3 cret"})
            case "break_down":
                raise ZeroDivisionError("s3 cret")
            case "wait":
                self.entered.release()
                assert self.go_on.wait(10)
        return [self.is_open, *call.arguments]

    def close(self) -> None:
        self.is_open = False


class Changing(Settings):
    """Settings that a test changes while they are in use."""

    def __init__(self) -> None:
        self.url = "place:one"

    def connection(self, product: str, name: str) -> ConnectionSetting:
        return ConnectionSetting(name, "sql", self.url, secret="s3 cret")

    def connections(self, product: str) -> tuple[str, ...]:
        return ("p",)

    def secrets(self, product: str) -> dict[str, str]:
        return {"token": product}


class World:
    def __init__(self, **limits: int) -> None:
        self.settings = Changing()
        self.places: list[Place] = []
        self.used: list[tuple[str, ...]] = []
        self.used_in: set[int] = set()
        self.broker = Broker(self.settings, on_use=self._use, exits=Exits(self._open), **limits)

    def _open(self, setting: ConnectionSetting) -> Exit:
        self.places.append(Place(setting))
        return self.places[-1]

    def _use(self, *told: str) -> None:
        self.used.append(told)
        self.used_in.add(threading.get_ident())

    async def entered(self, count: int) -> None:
        """Until so many calls wait in the first place."""
        while not self.places:
            await asyncio.sleep(0)
        for _ in range(count):
            assert await asyncio.to_thread(self.places[0].entered.acquire, timeout=10)

    async def ask(self, operation: str, *arguments: Any, product: str = FLIGHTS, key: str | None = None) -> Any:
        return await self.broker.call(product, RUN, "p", operation, [*arguments], key=key)


def run(scenario: Callable[[World], Awaitable[None]], **limits: int) -> World:
    async def main() -> World:
        world = World(**limits)
        try:
            await scenario(world)
        finally:
            world.broker.close()
        return world

    return asyncio.run(main())


def test_a_call_is_carried_out_with_its_key_and_its_use_is_told_on_the_loop() -> None:
    async def scenario(world: World) -> None:
        assert await world.ask("note", 1, "a", key=f"{RUN}:load:1") == [True, 1, "a"]
        assert world.used == [(FLIGHTS, RUN, "p", "note", "place:one")]
        assert world.used_in == {threading.get_ident()}
        assert world.places[0].calls == [Call("note", [1, "a"], f"{RUN}:load:1")]

    run(scenario)


def test_one_connection_serves_a_product_and_another_its_neighbour() -> None:
    async def scenario(world: World) -> None:
        for product in (FLIGHTS, FLIGHTS, CREWS, FLIGHTS):
            await world.ask("note", product=product)

    assert [len(place.calls) for place in run(scenario).places] == [3, 1]


def test_a_changed_setting_opens_anew_and_closes_the_old_behind_its_last_call() -> None:
    async def scenario(world: World) -> None:
        waiting = asyncio.ensure_future(world.ask("wait"))
        await world.entered(1)
        world.settings.url = "place:two"
        assert await world.ask("note") == [True]
        old, new = world.places
        assert (old.is_open, new.is_open) == (True, True)
        old.go_on.set()
        assert await waiting == [True]
        assert (old.is_open, new.is_open) == (False, True)
        world.settings.url = "place:three"
        await world.ask("note")
        assert not new.is_open

    places = run(scenario).places
    assert len(places) == 3
    assert not any(place.is_open for place in places)


@pytest.mark.parametrize("operation", ["fail", "break_down"])
def test_no_error_shows_a_secret_nor_hides_one_behind_it(operation: str) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(HansaError) as caught:
            await world.ask(operation)
        error = caught.value
        assert error.code == "connection.failed"
        assert "***" in error.message
        assert "cret" not in str(error) + str(error.details)
        assert (error.__cause__, error.__context__) == (None, None)
        assert world.used

    run(scenario)


def test_the_family_of_an_error_is_kept() -> None:
    found = without_secrets(CallerError("a.b", "xx y", hint="see xx", details={"n": 1, "t": "xx"}), ["x", "xx"])
    assert type(found) is CallerError
    assert found.as_dict() == {"code": "a.b", "message": "*** y", "hint": "see ***", "details": {"n": 1, "t": "***"}}


def test_an_operation_that_the_type_does_not_have_is_refused_and_no_use() -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(HansaError) as caught:
            await world.ask("close")
        assert caught.value.code == "connection.operation"
        assert world.used == []

    assert run(scenario).places[0].calls == []


def test_a_product_with_too_many_calls_is_told_to_wait_and_others_are_not() -> None:
    async def scenario(world: World) -> None:
        waiting = [asyncio.ensure_future(world.ask("wait")) for _ in range(2)]
        await world.entered(2)
        with pytest.raises(Unavailable) as caught:
            await world.ask("note")
        assert caught.value.code == "connection.busy"
        assert await world.ask("note", product=CREWS) == [True]
        world.places[0].go_on.set()
        await asyncio.gather(*waiting)
        assert await world.ask("note") == [True]

    run(scenario, calls_max=2, threads=3)


def test_the_secrets_are_the_products_own() -> None:
    async def scenario(world: World) -> None:
        assert world.broker.secrets(CREWS) == {"token": CREWS}

    run(scenario)


def test_with_real_settings_and_a_real_database(tmp_path: Path) -> None:
    async def scenario() -> None:
        setting = ConnectionSetting("db", "sql", "sqlite:///lines.db", base=tmp_path)
        broker = Broker(MemorySettings(Scoped(all={"db": setting})), on_use=lambda *told: None)
        ask = broker.call
        await ask(FLIGHTS, RUN, "db", "execute", ["CREATE TABLE line (n INTEGER)", []])
        inserts = [ask(FLIGHTS, RUN, "db", "execute", ["INSERT INTO line VALUES (?)", [n]]) for n in range(20)]
        assert await asyncio.gather(*inserts) == [1] * 20
        rows = await ask(FLIGHTS, RUN, "db", "query", ["SELECT SUM(n) AS total FROM line", []])
        assert rows == [{"total": 190}]
        with pytest.raises(OperatorError) as caught:
            await ask(FLIGHTS, RUN, "dbs", "query", ["SELECT 1", []])
        assert caught.value.hint == "Did you mean 'db'?"
        broker.close()

    asyncio.run(scenario())


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(OperatorError) as caught:
        open_exit(ConnectionSetting("db", "sql", "postgresql://host/db"))
    assert caught.value.code == "connection.driver"
    assert "pip install" in str(caught.value.hint)
