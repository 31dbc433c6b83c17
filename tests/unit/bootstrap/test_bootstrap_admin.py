"""The administrator's token of nodes that share a registry: one for all, and no more than was wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.access.key import parse_key
from hansa.access.tokens import LIFETIME_MAX_S, TokenIssuer
from hansa.bootstrap.admin import ADMIN, own_token, shared_token, write_client_file
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Account

PEPPER = b"p" * 32
NOW_US = 1_000_000
YEARS_US = int(2 * LIFETIME_MAX_S * 1_000_000)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    made = SqliteRegistry(tmp_path / "registry.db", clock_us=lambda: NOW_US)
    yield made
    made.close()


def issuer(registry: SqliteRegistry, pepper: bytes = PEPPER, now_us: int = NOW_US) -> TokenIssuer:
    return TokenIssuer(registry, pepper, clock_us=lambda: now_us)


def test_every_node_has_the_same_token_and_one_of_them_shows_it(registry: SqliteRegistry) -> None:
    first, second = (shared_token(registry, issuer(registry), NOW_US) for _ in range(2))
    assert first.text == second.text
    assert (first.is_shown, second.is_shown) == (True, False)
    assert [token.id for token in registry.tokens()] == [parse_key(first.text).id]
    assert registry.account(ADMIN).admin


def test_another_mesh_has_another_token(registry: SqliteRegistry, tmp_path: Path) -> None:
    other = SqliteRegistry(tmp_path / "other.db", clock_us=lambda: NOW_US)
    found = shared_token(other, issuer(other, b"q" * 32), NOW_US)
    other.close()
    assert shared_token(registry, issuer(registry), NOW_US).text != found.text


def test_one_that_was_revoked_is_not_issued_again(registry: SqliteRegistry) -> None:
    first = shared_token(registry, issuer(registry), NOW_US)
    registry.revoke_token(ADMIN, parse_key(first.text).id)
    assert shared_token(registry, issuer(registry), YEARS_US) == (first.text, False)


def test_one_that_has_expired_is_followed_by_another(registry: SqliteRegistry) -> None:
    first = shared_token(registry, issuer(registry), NOW_US)
    later = [shared_token(registry, issuer(registry, now_us=YEARS_US), YEARS_US) for _ in range(2)]
    assert later[0].text == later[1].text != first.text
    assert [token.is_shown for token in later] == [True, False]


def test_an_administrator_who_was_removed_does_not_come_back(registry: SqliteRegistry) -> None:
    shared_token(registry, issuer(registry), NOW_US)
    registry.put_account(ADMIN, Account("ada", "person", "Ada", "", admin=True))
    registry.remove_account("ada", ADMIN)
    assert not shared_token(registry, issuer(registry), NOW_US).is_shown
    assert registry.tokens() == []


def test_a_hansa_that_is_alone_keeps_the_token_of_its_folder(registry: SqliteRegistry, tmp_path: Path) -> None:
    made = own_token(registry, issuer(registry), tmp_path)
    write_client_file(tmp_path, "http://there", made.text)
    assert own_token(registry, issuer(registry), tmp_path) == made
    assert (tmp_path / "client.json").stat().st_mode & 0o077 == 0
