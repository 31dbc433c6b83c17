"""A Hansa goes on where it stood when it is taken from its folder to the engines, and back into another folder."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from audit import Books, audit, audit_views
from cli import COMMAND
from ledger import Ledger, selling
from nodes import Engines
from server import Server, running
from test_faults_kills import assert_well, come_to_rest
from test_forgetting import BO, forget

from hansa.access.pepper import load_pepper
from hansa.eventlog.image import digests
from hansa.eventlog.interface import CommitSet, Put
from hansa.eventlog.sqlite import SqliteLog
from hansa.eventlog.sqlite_image import SqliteImage
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Domain
from hansa.testing.log_bench import Bench, appending

KILLS, KILLS_OF_ONE = 20, 10
PRODUCTS = Path(__file__).parent / "products"
PEOPLE = ({"customer_id": "C1", "email": "ada@example.org", "city": "Paris"}, BO)


@pytest.fixture
def engines(kafka_address: str, postgresql_address: str, s3_address: str) -> Engines:
    return Engines(kafka_address, postgresql_address, s3_address)


def migrating(to: str, data: Path, environment: dict[str, str], *more: str) -> subprocess.Popen[str]:
    """`hansa migrate`, begun."""
    return subprocess.Popen(
        [*COMMAND, "migrate", to, "--data", str(data), *more],
        env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def migrated(to: str, data: Path, environment: dict[str, str], *more: str, code: int = 0) -> str:
    """What `hansa migrate` says; it must end with `code`."""
    with migrating(to, data, environment, *more) as process:
        told, _ = process.communicate(timeout=120)
    assert process.returncode == code, told
    return told


@contextmanager
def sold_meanwhile(server: Server, ledger: Ledger, runs: int) -> Iterator[None]:
    """Sells until so many more sales are done; the block runs while callers are still at it."""
    with selling(server, ledger, 4, first=len(ledger.done)):
        wanted = len(ledger.done) + runs
        assert server.until(lambda: len(ledger.done) >= wanted)
        yield


def answers(server: Server, token: str) -> list[Any]:
    """What a Hansa says of what it holds, with a token that was issued at its first place."""
    paths = (
        "/products", "/products/crm.people/revisions", "/domains", "/crm/people/customers/C1", "/quarantine",
    )  # fmt: skip
    headers = {"authorization": f"Bearer {token}"}
    found = [httpx.get(f"{server.url}{path}", headers=headers) for path in paths]
    assert [answer.status_code for answer in found] == [200] * len(paths), found
    return [answer.json() for answer in found]


@pytest.mark.slow
def test_it_goes_on_at_the_engines_and_again_in_a_folder(tmp_path: Path, engines: Engines) -> None:
    ledger = Ledger()
    first, last = tmp_path / "first", tmp_path / "last"
    with running(first) as server:
        for product in ("till", "books"):
            server.deploy(PRODUCTS / product, f"shop.{product}")
        server.deploy(PRODUCTS / "people", "crm.people")
        for person in PEOPLE:
            server.call("PUT", "/crm/people/customers", person).raise_for_status()
        forget(server, product="crm.people")
        server.deploy(PRODUCTS / "wares", "shop.wares")
        server.call("POST", "/shop/wares/ports/wares", [{"sku": 3}, {"sku": "a", "cents": 1}])
        assert server.http.get("/quarantine").json()["items"]
        token, before = server.token, answers(server, server.token)
        with sold_meanwhile(server, ledger, 30):
            server.kill()
    environment = engines.environment(HANSA_PEPPER=(first / "pepper").read_bytes().hex())
    told = migrated("engines", first, environment)
    assert "shop.till/sales@1[0]" in told
    assert environment["HANSA_LOG"] in refused(first)
    with running(tmp_path / "node", environment=environment) as server:
        assert answers(server, token) == before
        assert server.http.get("/audit/verify").json()["first_bad"] is None
        with sold_meanwhile(server, ledger, 30):
            server.kill()
    time.sleep(float(environment["HANSA_SESSION_S"]) + 0.5)
    migrated("folder", last, environment)
    assert str(last) in refused(tmp_path / "node", environment)
    with running(last) as server:
        assert answers(server, token) == before
        with sold_meanwhile(server, ledger, 30):
            pass
        server.http.post("/triggers/shop.till:sell_on_time/0/pause").raise_for_status()
        come_to_rest(server)
        server.stop()
        books = Books(last)
        server.start()
        assert_well([*audit(books, ledger), *audit_views(server, books)])


def refused(data: Path, environment: dict[str, str] | None = None) -> str:
    """What is said to who starts a source again."""
    up = [*COMMAND, "up", "--data", str(data), "--port", "0"]
    done = subprocess.run(
        up, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "migration.elsewhere" in done.stderr
    return done.stderr


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A data folder with 60 MB in some hundred batches, state and claims."""
    data = tmp_path / "large"
    bench = Bench(lambda clock_us: SqliteLog(data, clock_us=clock_us))
    body = os.urandom(3000)
    for number in range(300):
        more = [Put("s", f"k{number}.{at}", body[:100]) for at in range(20)]
        bench.commit(
            CommitSet((appending(*[body] * 60, partition=number % 2, subject=f"p{number % 7}"),), puts=(*more,))
        )
    bench.log.stop()
    registry = SqliteRegistry(data / "registry.db")
    registry.put_domain("admin", Domain("shop", "", ""))
    registry.close()
    load_pepper(data / "pepper")
    return data


@pytest.mark.slow
def test_twenty_kills_leave_nothing_out(large: Path, tmp_path: Path, engines: Engines) -> None:
    chance = random.Random(20)
    kills = 0
    while kills < KILLS:
        engines = engines.another()
        environment = engines.environment(HANSA_PEPPER=(large / "pepper").read_bytes().hex())
        back = tmp_path / f"back {kills}"
        kills += killed(chance, "engines", large, environment)
        kills += killed(chance, "folder", back, environment)
        with closing(SqliteImage(large)) as source, closing(SqliteImage(back)) as found:
            assert digests(found) == digests(source)
        migrated("engines", large, environment, "--abandon")


def killed(chance: random.Random, to: str, data: Path, environment: dict[str, str]) -> int:
    """Migrates, killed again and again until it ends; how often it was."""
    kills = 0
    while True:
        process = migrating(to, data, environment)
        try:
            told, _ = process.communicate(timeout=chance.uniform(0.4, 1.6) if kills < KILLS_OF_ONE else 120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, told
        return kills


def test_what_cannot_be_moved_is_said_in_two_lines(tmp_path: Path, engines: Engines) -> None:
    data = tmp_path / "data"
    environment = engines.environment()
    with running(data):
        assert "store.locked" in migrated("engines", data, environment, code=1)
    assert "od -An -v -tx1" in migrated("engines", data, environment, code=1)
    right = engines.environment(HANSA_PEPPER=(data / "pepper").read_bytes().hex())
    assert "HANSA_LOG" in migrated("engines", data, {**right, "HANSA_LOG": ""}, code=1)
    with running(tmp_path / "node", environment=right):
        assert "is in use by" in migrated("engines", data, right, code=1)
    time.sleep(float(right["HANSA_SESSION_S"]))
    assert "has another Hansa" in migrated("engines", data, right, code=1)
    with running(data) as server:
        assert server.http.get("/health").status_code == 200
