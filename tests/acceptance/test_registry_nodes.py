"""The registry on a real PostgreSQL that several nodes share: what they hear of one another, and what they refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from engines.install import postgresql as programs
from postgresql import as_user, database, execute

from hansa.bootstrap.hansa import now_us
from hansa.errors import CallerError, OperatorError, Unavailable
from hansa.registry.postgres import SCHEMA, PostgresRegistry
from hansa.registry.values import Account, Domain, Role, Token
from hansa.testing.conformance_registry.given import FLIGHTS

HEARD_S = 0.5


@pytest.fixture
def address(postgresql_address: str) -> Iterator[str]:
    with database(postgresql_address) as made:
        yield made


@pytest.fixture
def node(address: str) -> Iterator[Callable[[], PostgresRegistry]]:
    """Starts a node on the database."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(PostgresRegistry(address, now_us)))


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def token(account: str = "ada") -> Token:
    return Token(f"t-{account}", account, "laptop", b"hash", ("read",), None, 5, 10)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_node_hears_of_what_another_one_changed(
    address: str, node: Callable[[], PostgresRegistry], is_told: bool
) -> None:
    here, there = node(), node()
    if not is_told:
        execute(address, f"DROP TRIGGER audit_told ON {SCHEMA}.audit")
    told: list[int] = []
    here.audit_watch(lambda: told.append(1))
    for change in (
        lambda: there.put_account("root", Account("ada", admin=True)),
        lambda: there.put_domain("root", Domain("operations")),
        lambda: there.add_token("root", token()),
        lambda: there.set_role("root", "operations", "ada", Role.OWNER),
    ):
        before = len(told)
        change()
        assert within(HEARD_S, lambda before=before: len(told) > before)
    identity = here.identity("t-ada")
    assert identity is not None
    assert (identity.account.admin, identity.roles) == (True, (("operations", Role.OWNER),))
    epoch = here.access_epoch()
    there.revoke_token("root", "t-ada")
    assert within(HEARD_S, lambda: here.access_epoch() > epoch)
    identity = here.identity("t-ada")
    assert identity is not None
    assert identity.token.revoked_us is not None
    assert here.access_age_s() < HEARD_S


def test_a_node_knows_who_comes_from_the_start(node: Callable[[], PostgresRegistry]) -> None:
    first = node()
    first.put_account("root", Account("ada"))
    first.add_token("root", token())
    assert node().identity("t-ada") == first.identity("t-ada") is not None


def test_a_registry_that_was_put_back_is_taken_in_anew(address: str, node: Callable[[], PostgresRegistry]) -> None:
    """As by a standby that took over and had not heard of the last changes."""
    here = node()
    here.put_account("root", Account("ada"))
    here.add_token("root", token())
    execute(
        address, f"SET search_path = {SCHEMA}", "SET session_replication_role = replica", "DELETE FROM token",
        "DELETE FROM audit WHERE seq = 2", "UPDATE audit_end SET seq = 1",
    )  # fmt: skip
    assert within(HEARD_S, lambda: here.identity("t-ada") is None)
    here.put_domain("root", Domain("operations"))
    assert here.audit_verify() == (2, None)


def test_nodes_that_start_at_once_bring_the_database_up_once(address: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        nodes = list(threads.map(lambda _: PostgresRegistry(address, now_us), range(6)))
    for number, registry in enumerate(nodes):
        registry.put_domain("ada", Domain(f"d{number}"))
    assert nodes[0].audit_verify() == (6, None)
    for registry in nodes:
        registry.close()
    assert execute(address, f"SELECT count(*), max(version) FROM {SCHEMA}.migration") == [(1, 1)]


@pytest.mark.parametrize(("since", "goes_on"), [(1, True), (2, False)])
def test_a_node_goes_on_beside_a_later_release_as_far_as_that_says(
    address: str, node: Callable[[], PostgresRegistry], since: int, goes_on: bool
) -> None:
    node().put_domain("ada", Domain("operations"))
    execute(address, f"INSERT INTO {SCHEMA}.migration VALUES (2, '0002_later.sql', 'x', {since})")
    if goes_on:
        assert node().domain("operations").name == "operations"
        return
    with pytest.raises(OperatorError, match=r"format 2; this Hansa knows up to 1 \[store\.newer\]"):
        node()


def test_a_database_that_other_files_made_is_refused(address: str, node: Callable[[], PostgresRegistry]) -> None:
    node()
    execute(address, f"UPDATE {SCHEMA}.migration SET checksum = 'x'")
    with pytest.raises(OperatorError, match=r"store\.altered"):
        node()


def test_nodes_that_deploy_at_once_take_turns(node: Callable[[], PostgresRegistry]) -> None:
    nodes = [node(), node()]
    nodes[0].put_domain("ada", Domain("operations"))

    def deploy(place: int) -> None:
        for number in range(15):
            nodes[place].deploy("ada", FLIGHTS, "shared", "b")
            nodes[place].deploy("ada", FLIGHTS, f"{place}-{number}", "b")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(deploy, range(2)))
    revisions = nodes[0].revisions(FLIGHTS.id)
    assert sorted(revision.number for revision in revisions) == list(range(1, 32))
    verified = nodes[1].audit_verify()
    assert verified.first_bad is None
    assert len(nodes[0].audit_after(0)) == verified.intact


@pytest.mark.parametrize(
    ("sql", "first_bad"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 2", 2),
        ("UPDATE audit SET before = before || ' ' WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("UPDATE audit SET seq = 9 WHERE seq = 3", 3),
        ("INSERT INTO audit SELECT 4, time_us, actor, operation, target, before, after, detail, previous, digest"
         " FROM audit WHERE seq = 3", 4),
    ],
)  # fmt: skip
def test_an_audit_that_was_altered_is_found_out(
    address: str, node: Callable[[], PostgresRegistry], sql: str, first_bad: int
) -> None:
    registry = node()
    for name in ("one", "two", "three"):
        registry.put_domain("ada", Domain(name))
    execute(address, f"SET search_path = {SCHEMA}", "SET session_replication_role = replica", sql)
    assert registry.audit_verify() == (first_bad - 1, first_bad)


@pytest.mark.parametrize(
    "sql",
    ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit",
     "UPDATE revision SET spec = '{}'", "DELETE FROM revision"],
)  # fmt: skip
def test_audit_and_revisions_are_append_only(address: str, node: Callable[[], PostgresRegistry], sql: str) -> None:
    registry = node()
    registry.put_domain("ada", Domain("operations"))
    registry.deploy("ada", FLIGHTS, "r1", "b1")
    with pytest.raises(psycopg.errors.RaiseException, match="never changes"):
        execute(address, f"SET search_path = {SCHEMA}", sql)


def test_a_change_that_fails_leaves_nothing(node: Callable[[], PostgresRegistry]) -> None:
    registry = node()

    def fail() -> None:
        with registry._changing("eve") as change:
            change.execute("INSERT INTO domain VALUES ('operations', '', 'eve')")
            change.audit("domain.created", "operations")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert registry.domains() == []
    assert registry.audit_verify() == (0, None)


def test_what_postgresql_cannot_keep_is_refused(node: Callable[[], PostgresRegistry]) -> None:
    registry = node()
    with pytest.raises(CallerError, match=r"value\.malformed"):
        registry.put_domain("ada", Domain("operations", "no\0text"))
    assert registry.audit_verify() == (0, None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda address: address.replace("127.0.0.1", "nowhere.invalid"), "store.unreachable"),
        (lambda address: as_user(address, "nobody_known"), "store.denied"),
        (lambda address: f"{address}_missing", "store.missing"),
        (lambda address: "postgresql://127.0.0.1:1/x", "store.unreachable"),
    ],
)
def test_wrong_settings_are_said_at_the_start(address: str, change: Callable[[str], str], code: str) -> None:
    with pytest.raises(OperatorError) as caught:
        PostgresRegistry(change(address), now_us)
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_who_has_no_rights_is_told_so(address: str) -> None:
    user = address.rpartition("/")[2].replace("test_", "user_")
    execute(address, f"CREATE ROLE {user} LOGIN")
    try:
        with pytest.raises(Unavailable, match=r"permission denied.*store\.denied"):
            PostgresRegistry(as_user(address, user), now_us)
        execute(address, f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {user}")
        with closing(PostgresRegistry(as_user(address, user), now_us)) as registry:
            registry.put_domain("ada", Domain("operations"))
            execute(address, f"ALTER ROLE {user} SET default_transaction_read_only = on")
            with closing(PostgresRegistry(as_user(address, user), now_us)) as reader:
                assert [domain.name for domain in reader.domains()] == ["operations"]
                with pytest.raises(Unavailable, match=r"store\.read_only"):
                    reader.put_domain("ada", Domain("weather"))
    finally:
        execute(address, f"DROP OWNED BY {user} CASCADE", f"DROP ROLE {user}")


def test_a_dump_restored_elsewhere_is_the_same_registry(
    address: str, postgresql_address: str, node: Callable[[], PostgresRegistry], tmp_path: Path
) -> None:
    registry, dump = node(), tmp_path / "registry.dump"
    registry.put_domain("ada", Domain("operations"))
    registry.put_account("ada", Account("ada"))
    registry.add_token("ada", token())
    busy = threading.Event()

    def write() -> None:
        for number in range(1000):
            registry.record("ada", "run.started", f"operations.flights:p{number}")
            if busy.is_set():
                return

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        registry.deploy("ada", FLIGHTS, "r1", "b1")
        command = (registry.backup(dump) or "").replace("registry.dump", str(dump)).split()
        subprocess.run([str(programs() / command[0]), *command[1:]], check=True)
        busy.set()
        writing.result()
    with database(postgresql_address) as elsewhere:
        subprocess.run([str(programs() / "pg_restore"), "--no-owner", "--dbname", elsewhere, str(dump)], check=True)
        with closing(PostgresRegistry(elsewhere, now_us)) as restored:
            assert restored.audit_verify().first_bad is None
            assert 0 < restored.audit_verify().intact <= registry.audit_verify().intact
            assert restored.product(FLIGHTS.id) == registry.product(FLIGHTS.id)
            assert restored.identity("t-ada") == registry.identity("t-ada")
            restored.deploy("ada", FLIGHTS, "r2", "b2")
            assert restored.audit_verify().first_bad is None


def test_a_lease_has_one_holder_at_a_time_whatever_dies(
    address: str, node: Callable[[], PostgresRegistry], tmp_path: Path
) -> None:
    registry, holders = node(), [_Holder(address, f"h{number}", tmp_path) for number in range(2)]
    try:
        for how in (signal.SIGKILL, signal.SIGSTOP, signal.SIGKILL):
            assert within(10, lambda: registry.lease("work") is not None)
            lease = registry.lease("work")
            assert lease is not None
            lost = next(holder for holder in holders if holder.name == lease.holder)
            assert within(20, lambda lease=lease, lost=lost: lease.epoch in {epoch for epoch, *_ in lost.turns()})
            lost.process.send_signal(how)
            assert within(20, lambda lease=lease: (now := registry.lease("work")) and now.epoch > lease.epoch)
            lost.process.send_signal(signal.SIGCONT)
            if how is signal.SIGKILL:
                holders.append(_Holder(address, f"h{len(holders)}", tmp_path))
    finally:
        for holder in holders:
            holder.process.kill()
            holder.process.wait()
    taken = sorted((*turn, holder.name) for holder in holders for turn in holder.turns())
    assert len({name for *_, name in taken}) >= 3
    for (epoch, _, until_s, name), (later, got_s, _, other) in pairwise(taken):
        assert name == other if epoch == later else got_s >= until_s


class _Holder:
    """A process that takes the lease whenever it can."""

    def __init__(self, address: str, name: str, folder: Path) -> None:
        self.name = name
        self._output = folder / name
        command = [sys.executable, "-m", "tests.acceptance.lease_holder", address, name]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output)

    def turns(self) -> list[tuple[int, float, float]]:
        """The epoch of each time it got the lease, when it had it, and until when it knew that it had."""
        lines = self._output.read_text().splitlines(keepends=True)
        found = [line.split() for line in lines if line.endswith("\n")]
        return [(int(epoch), float(got_s), float(until_s)) for epoch, got_s, until_s in found]
