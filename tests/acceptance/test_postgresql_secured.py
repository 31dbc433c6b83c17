"""PostgreSQL as companies run it: TLS whose certificate is checked, a role that owns its schemas and nothing else; and
a server that stands still, which keeps nobody waiting and which everything outlives."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engines.postgresql_secured import USER, SecuredPostgreSQL
from engines.process import removed, scratch
from server import Server, running

from hansa.databases.postgres import Pool
from hansa.errors import Unavailable

PRODUCTS = Path(__file__).parent / "products"
SCHEMAS = ("hansa_registry", "hansa_views")
ANSWERED_S = 9.0
"""A client's patience: silence, one question, and what a busy machine adds."""


@pytest.fixture(scope="module")
def postgresql(postgresql_address: str) -> Iterator[SecuredPostgreSQL]:
    """A server of this module's own. (The shared one says whether any can run here.)"""
    del postgresql_address
    with contextlib.ExitStack() as ended:
        folder = scratch("postgresql")
        ended.callback(removed, folder)
        made = SecuredPostgreSQL(folder)
        ended.callback(made.stop)
        made.start()
        yield made


@pytest.fixture(scope="module")
def database(postgresql: SecuredPostgreSQL) -> str:
    return postgresql.database(f"mesh{uuid.uuid4().hex[:8]}", *SCHEMAS)


@pytest.fixture(scope="module")
def node(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A node whose role owns its two schemas."""
    data = tmp_path_factory.mktemp("node") / "data"
    with running(data, environment={"HANSA_DATABASE": database}) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        yield server


def works(server: Server) -> bool:
    """Whether a call is worked and the views show its run."""
    answer = server.call("POST", "/lab/bench/sums", {"left": 1})
    return answer.status_code == 201 and bool(server.run(answer).get("state"))


def test_a_role_that_owns_its_schemas_alone_is_enough(node: Server) -> None:
    assert works(node)
    assert node.http.post("/domains", json={"name": "other"}).is_success


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (f"{USER}:secret@", f"{USER}:wrong@", "store.denied"),
        ("authority.crt", "nothing.crt", "store.untrusted"),
        ("@localhost:", "@elsewhere:", "store.untrusted"),
        ("verify-full", "disable", "store.denied"),
    ],
)
def test_who_is_not_let_in_is_told_why(database: str, before: str, after: str, code: str) -> None:
    assert before in database
    pool = Pool(database.replace(before, after), "hansa_registry")
    with pytest.raises(Unavailable) as refused, pool.use():
        pass
    assert refused.value.code == code


def test_a_server_that_stands_still_keeps_nobody_waiting_and_everything_goes_on_behind_it(
    node: Server, postgresql: SecuredPostgreSQL
) -> None:
    assert works(node)
    postgresql.pause()
    try:
        begun_s = time.monotonic()
        with ThreadPoolExecutor(4) as asking:
            asked = ("/runs", "/events?q=name=nothing", "/products", "/domains")
            refused = list(asking.map(node.http.get, asked))
        assert time.monotonic() - begun_s < ANSWERED_S
        assert [answer.status_code for answer in refused] == [503] * len(refused)
        assert {answer.json()["code"] for answer in refused} <= {"store.unreachable", "store.busy"}
        assert all(answer.headers["retry-after"] for answer in refused)
        assert node.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
        begun_s = time.monotonic()
        changed = node.http.post("/domains", json={"name": "meanwhile"})
        assert changed.status_code == 503, changed.text
        assert time.monotonic() - begun_s < ANSWERED_S
    finally:
        postgresql.resume()
    assert node.until(lambda: node.http.post("/domains", json={"name": "behind"}).is_success)
    assert node.until(lambda: works(node))


def test_a_server_that_is_at_work_is_waited_for(database: str) -> None:
    pool = Pool(database, "hansa_registry")
    with contextlib.closing(pool), pool.use() as raw:
        begun_s = time.monotonic()
        assert raw.execute("SELECT 1 FROM pg_sleep(4)").fetchone() == (1,)
        assert time.monotonic() - begun_s > 4
