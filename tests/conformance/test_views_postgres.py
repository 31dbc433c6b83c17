"""What views ask of a PostgreSQL, and what they leave there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from small_views import Entries, counts, settle
from view_stores import Stores

from hansa.databases.postgres import Pool
from hansa.errors import OperatorError, Unavailable
from hansa.eventlog.memory import MemoryLog
from hansa.testing.log_bench import Bench, writing
from hansa.views.group import ViewGroup
from hansa.views.postgres import SCHEMA, PostgresDatabase, PostgresReader, check


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    yield bench
    bench.log.stop()


@pytest.fixture
def own(postgresql_address: str) -> Iterator[Callable[..., str]]:
    """Makes a database, and somebody who owns nothing; the URL as whom it is reached."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    with closing(psycopg.connect(postgresql_address, autocommit=True)) as db:
        db.execute(f"CREATE ROLE {name} LOGIN")

        def make(options: str = "", *statements: str) -> str:
            db.execute(f"CREATE DATABASE {name} {options}")
            parts = urlsplit(postgresql_address)
            with closing(psycopg.connect(parts._replace(path=f"/{name}").geturl(), autocommit=True)) as inside:
                for statement in statements:
                    inside.execute(statement.format(name=name))
            return parts._replace(path=f"/{name}", netloc=f"{name}@{parts.hostname}:{parts.port}").geturl()

        yield make
        db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        db.execute(f"DROP ROLE {name}")


def checked(url: str) -> None:
    pool = Pool(url, SCHEMA)
    try:
        check(pool)
    finally:
        pool.close()


def test_who_may_make_no_tables_is_told_before_anything_is_tried(own: Callable[..., str]) -> None:
    with pytest.raises(OperatorError, match="may make no tables") as refused:
        checked(own())
    assert refused.value.code == "store.denied"
    assert "AUTHORIZATION" in str(refused.value.hint)


def test_an_encoding_that_not_every_text_fits_is_refused(own: Callable[..., str]) -> None:
    with pytest.raises(OperatorError, match="encoding") as refused:
        checked(own("TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"))
    assert refused.value.code == "store.encoding"


def test_a_schema_that_was_made_for_them_is_enough(own: Callable[..., str], bench: Bench) -> None:
    url = own("", f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {{name}}")
    checked(url)
    group = ViewGroup(bench.log, PostgresDatabase(url), [Entries()])
    bench.write(writing(1))
    settle(group)
    assert counts(group) == {0: 1}
    group.close()


def test_views_that_nobody_has_begun_are_waited_for(postgresql_address: str) -> None:
    reader = PostgresReader(Pool(postgresql_address, f"none_{uuid.uuid4().hex}"))
    with pytest.raises(Unavailable) as unmade, reader.reading() as db:
        db.execute("SELECT name FROM view")
    assert unmade.value.code == "view.unmade"
    reader.close()


def test_a_session_that_ended_is_begun_again(
    postgresql_address: str, bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stores = Stores("postgresql", tmp_path_factory.mktemp("none"), postgresql_address)
    group, other = (ViewGroup(bench.log, stores.open(), [Entries()]) for _ in range(2))
    bench.write(writing(1))
    settle(group)
    settle(other)
    assert [group.statuses(), other.store.hold()] == [other.statuses(), None]
    with closing(psycopg.connect(postgresql_address, autocommit=True)) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND objid = hashtext(%s)::bigint::bit(32)::bigint",
            (stores.schema(),),
        )
    while other.store.hold() is None:
        pass
    bench.write(writing(2))
    settle(other)
    with pytest.raises(Unavailable) as ended:
        group.advance()
    assert ended.value.code == "store.unreachable"
    assert group.advance() is False
    assert group.statuses() == other.statuses()
    assert counts(group) == {0: 2}
    stores.close()
