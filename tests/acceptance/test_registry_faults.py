"""A PostgreSQL that dies, stands still or refuses, under a registry and under a Hansa: nothing half, and it goes on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from engines.postgresql import PostgreSQL
from engines.process import removed, scratch
from postgresql import as_user, execute
from server import Refused, running

from hansa.blobs.bundle import pack
from hansa.bootstrap.hansa import now_us
from hansa.databases.postgres import SIZE
from hansa.errors import OperatorError, Unavailable
from hansa.registry.postgres import SCHEMA, PostgresRegistry
from hansa.registry.values import Domain

PRODUCTS = Path(__file__).parent / "products"
SUMS = ("POST", "/lab/bench/sums", {"left": 1})


@pytest.fixture
def postgresql(postgresql_address: str) -> Iterator[PostgreSQL]:
    """A server that the test may kill; there is one where the one is that all tests share."""
    server = PostgreSQL(scratch("postgresql"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        removed(server.folder)


def within(seconds: float, holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_what_was_acknowledged_stands_and_what_was_refused_does_not(postgresql: PostgreSQL) -> None:
    over = threading.Event()
    kept: list[str] = []
    refused: list[str] = []
    uncertain: list[str] = []

    def write(writer: int, registry: PostgresRegistry) -> None:
        for number in range(100_000):
            name = f"w{writer}x{number}"
            try:
                registry.put_domain("ada", Domain(name))
                kept.append(name)
            except Unavailable as failure:
                (uncertain if failure.code == "store.uncertain" else refused).append(name)
                time.sleep(0.02)
            if over.is_set():
                return

    with (
        closing(PostgresRegistry(postgresql.address, now_us)) as one,
        closing(PostgresRegistry(postgresql.address, now_us)) as other,
        ThreadPoolExecutor(4) as threads,
    ):
        writing = [threads.submit(write, number, (one, other)[number % 2]) for number in range(4)]
        try:
            for _ in range(3):
                time.sleep(0.3)
                postgresql.kill()
                postgresql.start()
            before = len(kept)
            assert within(5, lambda: len(kept) > before + 20)
        finally:
            over.set()
        for done in writing:
            done.result()
        found = {domain.name for domain in one.domains()}
        assert set(kept) <= found
        assert not found & set(refused)
        assert found <= {*kept, *uncertain}
        assert refused
        assert one.audit_verify() == (len(found), None)
        assert within(10, lambda: other.access_age_s() < 0.5)


def test_the_first_question_after_a_restart_is_answered(postgresql: PostgreSQL) -> None:
    with closing(PostgresRegistry(postgresql.address, now_us)) as registry:
        registry.put_domain("ada", Domain("operations"))
        with ExitStack() as idle:
            for _ in range(SIZE - 1):
                idle.enter_context(registry._database.use())
        postgresql.kill()
        postgresql.start()
        assert [domain.name for domain in registry.domains()] == ["operations"]
        registry.put_domain("ada", Domain("weather"))


def test_a_commit_whose_answer_was_lost_is_asked_for_again(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresRegistry(postgresql.address, now_us)) as registry:
        with monkeypatch.context() as patch:
            _cut_at_commit(registry, "COMMIT", patch)
            registry.put_domain("ada", Domain("stands"))
        with monkeypatch.context() as patch:
            _cut_at_commit(registry, "SELECT 1", patch)
            with pytest.raises(Unavailable, match=r"\[store\.unreachable\]"):
                registry.put_domain("ada", Domain("undone"))
        assert [domain.name for domain in registry.domains()] == ["stands"]


def _cut_at_commit(registry: PostgresRegistry, before: str, patch: pytest.MonkeyPatch) -> None:
    """The server ends the connection behind the statement `before`, and before the node has committed."""
    commit = registry._database._commit

    def cut(raw: Any, *given: Any) -> None:
        raw.execute(before)
        with registry._pool.use() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (raw.info.backend_pid,))
        commit(raw, *given)

    patch.setattr(registry._database, "_commit", cut)


def test_a_wrong_password_and_a_lost_right_are_told_and_reading_goes_on(postgresql: PostgreSQL) -> None:
    rules = postgresql.folder / "data" / "pg_hba.conf"
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    execute(
        postgresql.address, "CREATE ROLE guarded LOGIN PASSWORD 'right'", "CREATE DATABASE mesh OWNER guarded",
        "SELECT pg_reload_conf()",
    )  # fmt: skip
    mesh = postgresql.address.rpartition("/")[0] + "/mesh"
    address = as_user(mesh, "guarded", "right")
    with pytest.raises(OperatorError, match=r"password authentication failed.*\[store\.denied\]"):
        PostgresRegistry(address.replace("right", "wrong"), now_us)
    with pytest.raises(OperatorError, match=r"\[store\.denied\]"):
        PostgresRegistry(address.replace(":right", ""), now_us)
    with closing(PostgresRegistry(address, now_us)) as registry:
        registry.put_domain("ada", Domain("operations"))
        execute(mesh, f"REVOKE INSERT ON {SCHEMA}.audit FROM guarded")
        with pytest.raises(Unavailable, match=r"\[store\.denied\]"):
            registry.put_domain("ada", Domain("weather"))
        assert [domain.name for domain in registry.domains()] == ["operations"]


def test_who_changes_something_and_stands_still_keeps_nobody_waiting_for_ever(postgresql: PostgreSQL) -> None:
    with (
        closing(PostgresRegistry(postgresql.address, now_us)) as paused,
        closing(PostgresRegistry(postgresql.address, now_us)) as other,
    ):

        def change() -> None:
            with paused._database.write() as connection:
                connection.execute("SET idle_in_transaction_session_timeout = '300ms'")
                connection.execute("INSERT INTO domain VALUES ('half', '', '')")
                other.put_domain("ada", Domain("whole"))

        with pytest.raises(Unavailable, match=r"store\."):
            change()
        assert [domain.name for domain in paused.domains()] == ["whole"]


def test_a_node_that_is_cut_off_denies_when_its_lease_ends(postgresql: PostgreSQL, tmp_path: Path) -> None:
    environment = {"HANSA_DATABASE": postgresql.address, "HANSA_LEASE_S": "2"}
    with running(tmp_path / "data", environment=environment) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        assert server.call(*SUMS).status_code == 201
        postgresql.kill()
        cut_s = time.monotonic()
        refused = server.http.post("/domains", json={"name": "weather"})
        assert (refused.status_code, refused.json()["code"]) == (503, "store.unreachable")
        assert refused.headers["retry-after"]
        deployed = server.http.post("/products/lab.bench/deploy", content=pack(_changed(tmp_path)).data)
        assert '"store.unreachable"' in deployed.text
        assert server.call(*SUMS).status_code == 201
        assert server.http.get("/ports").status_code == 200
        assert time.monotonic() - cut_s < 2
        late = within(5, lambda: (answer := server.call(*SUMS)).status_code == 503 and answer)
        assert time.monotonic() - cut_s > 1.5
        assert (late.json()["code"], late.headers["retry-after"]) == ("access.stale", "1")
        assert server.http.get("/ports").json()["code"] == "access.stale"
        assert any("access.stale" in told for told in server.http.get("/health").json()["problems"])
        postgresql.start()
        assert within(5, lambda: server.call(*SUMS).status_code == 201)
        assert server.http.post("/domains", json={"name": "weather"}).status_code == 201
        assert server.deploy(_changed(tmp_path), "lab.bench")["number"] == 2
        assert server.http.get("/audit/verify").json()["first_bad"] is None


def _changed(folder: Path) -> Path:
    if not (folder / "lab").exists():
        shutil.copytree(PRODUCTS / "lab", folder / "lab")
        (folder / "lab" / "notes.txt").write_text("changed")
    return folder / "lab"


def test_a_deploy_during_which_postgresql_dies_is_whole_or_not_at_all(postgresql: PostgreSQL, tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"HANSA_DATABASE": postgresql.address}) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        (before,) = server.http.get("/products/lab.bench/revisions").json()["items"]
        for number, after_s in enumerate((0.05, 0.2, 0.35)):
            (_changed(tmp_path) / "notes.txt").write_text(str(number))
            with ThreadPoolExecutor(1) as threads:
                deploying = threads.submit(server.deploy, _changed(tmp_path), "lab.bench")
                time.sleep(after_s)
                postgresql.kill()
                postgresql.start()
                failure = deploying.exception()
            assert failure is None or (isinstance(failure, Refused) and "store." in failure.problem["code"])
            assert within(5, lambda: server.http.get("/products/lab.bench/revisions").status_code == 200)
            revisions = server.http.get("/products/lab.bench/revisions").json()["items"]
            (live,) = [revision for revision in revisions if revision["live"]]
            called = server.call(*SUMS)
            assert called.status_code == 201, called.text
            assert server.run(called)["revision"] == live["revision"]
            assert failure is None or failure.problem["code"] == "store.uncertain" or live == before
            assert failure is not None or deploying.result()["revision"] == live["revision"]
            before = live
        assert server.call(*SUMS).status_code == 201
        assert server.http.get("/audit/verify").json()["first_bad"] is None
