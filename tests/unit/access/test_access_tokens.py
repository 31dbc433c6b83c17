from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.access.key import Key, new_key, parse_key
from hansa.access.pepper import load_pepper, new_pepper
from hansa.access.principal import Principal, Scope
from hansa.access.tokens import LIFETIME_MAX_S, Authenticator, Issued, TokenIssuer
from hansa.errors import CallerError, OperatorError, Unavailable
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Account, Domain, Identity, Role

DAY_US = 24 * 3600 * 1_000_000


class Hansa:
    """A registry with an issuer and an authenticator, and a clock to turn."""

    def __init__(self) -> None:
        self.now_us = 1_000 * DAY_US
        self.reads = 0
        self.registry = CountingRegistry(clock_us=lambda: self.now_us)
        self.registry.put_domain("ada", Domain("operations"))
        self.registry.put_account("ada", Account("ada"))
        pepper = new_pepper()
        self.issuer = TokenIssuer(self.registry, pepper, clock_us=lambda: self.now_us)
        self.authenticator = Authenticator(self.registry, pepper, clock_us=lambda: self.now_us)

    def issue(self, *scopes: Scope, lifetime_s: float = 3600, products: list[str] | None = None) -> Issued:
        chosen = scopes or (Scope.READ,)
        return self.issuer.issue("ada", "ada", "laptop", chosen, lifetime_s=lifetime_s, products=products)

    def refusal(self, text: str) -> str:
        with pytest.raises(CallerError) as caught:
            self.authenticator.authenticate(text)
        return caught.value.code


class CountingRegistry(SqliteRegistry):
    """The real registry, counting how often it is asked who someone is."""

    asked = 0

    def identity(self, token: str) -> Identity | None:
        self.asked += 1
        return super().identity(token)


@pytest.fixture
def hansa() -> Iterator[Hansa]:
    made = Hansa()
    yield made
    made.registry.close()


def test_a_token_tells_who_comes(hansa: Hansa) -> None:
    hansa.registry.set_role("ada", "operations", "ada", Role.OWNER)
    issued = hansa.issue(Scope.READ, Scope.CALL, products=["operations.flights"])
    assert hansa.authenticator.authenticate(issued.text) == Principal(
        "ada",
        (("operations", Role.OWNER),),
        frozenset({Scope.READ, Scope.CALL}),
        frozenset({"operations.flights"}),
        False,
        issued.token.id,
    )


def test_a_known_token_is_not_looked_up_again(hansa: Hansa) -> None:
    text = hansa.issue().text
    for _ in range(3):
        hansa.authenticator.authenticate(text)
    assert hansa.registry.asked == 1


def test_a_token_lives_for_90_days_unless_told(hansa: Hansa) -> None:
    token = hansa.issuer.issue("ada", "ada", "laptop", [Scope.READ]).token
    assert token.expires_us - token.created_us == 90 * DAY_US


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_token_expires_to_the_microsecond_even_when_it_is_remembered(hansa: Hansa, seen_before: bool) -> None:
    text = hansa.issue(lifetime_s=60).text
    if seen_before:
        hansa.authenticator.authenticate(text)
    hansa.now_us += 60_000_000 - 1
    hansa.authenticator.authenticate(text)
    hansa.now_us += 1
    assert hansa.refusal(text) == "token.expired"


def test_a_revoked_token_is_refused_at_once(hansa: Hansa) -> None:
    revoked, other = hansa.issue(), hansa.issue()
    for issued in (revoked, other):
        hansa.authenticator.authenticate(issued.text)
    hansa.registry.revoke_token("ada", revoked.token.id)
    assert hansa.refusal(revoked.text) == "token.revoked"
    assert hansa.authenticator.authenticate(other.text).id == "ada"


def test_a_changed_role_and_account_count_at_once(hansa: Hansa) -> None:
    text = hansa.issue().text
    assert hansa.authenticator.authenticate(text).roles == ()
    hansa.registry.set_role("ada", "operations", "ada", Role.OWNER)
    assert hansa.authenticator.authenticate(text).role_in("operations") is Role.OWNER
    hansa.registry.remove_role("ada", "operations", "ada")
    hansa.registry.put_account("ada", Account("ada", admin=True))
    assert hansa.authenticator.authenticate(text).role_in("operations") is None
    assert hansa.authenticator.authenticate(text).admin


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_remembered(hansa: Hansa) -> None:
    issued = hansa.issue()
    read, revoked = threading.Event(), threading.Event()

    class Slow(CountingRegistry):
        def identity(self, token: str) -> Identity | None:
            found = super().identity(token)
            read.set()
            revoked.wait(10)
            return found

    hansa.registry.__class__ = Slow
    looking_up = threading.Thread(target=hansa.authenticator.authenticate, args=(issued.text,))
    looking_up.start()
    read.wait(10)
    hansa.registry.revoke_token("ada", issued.token.id)
    revoked.set()
    looking_up.join(10)
    assert hansa.refusal(issued.text) == "token.revoked"


def test_a_wrong_secret_is_unknown_and_so_is_another_pepper(hansa: Hansa) -> None:
    issued = hansa.issue()
    forged = Key(issued.token.id, new_key().secret).text
    assert hansa.refusal(forged) == "token.unknown"
    assert hansa.refusal(new_key().text) == "token.unknown"
    elsewhere = Authenticator(hansa.registry, new_pepper(), clock_us=lambda: hansa.now_us)
    with pytest.raises(CallerError, match=r"token\.unknown"):
        elsewhere.authenticate(issued.text)


def test_a_malformed_token_does_not_reach_the_registry(hansa: Hansa) -> None:
    assert hansa.refusal("hansa_x_y") == "token.malformed"
    assert hansa.registry.asked == 0


def test_the_secret_is_stored_nowhere(hansa: Hansa) -> None:
    secret = parse_key(hansa.issue().text).secret
    with hansa.registry._database.use() as connection:
        dump = "\n".join(connection.iterdump())
    assert secret not in dump
    assert secret.encode().hex() not in dump.lower()


def test_use_is_written_in_batches(hansa: Hansa) -> None:
    first, second = hansa.issue(), hansa.issue()
    for step in range(3):
        hansa.now_us += step
        hansa.authenticator.authenticate(first.text)
    assert {token.last_used_us for token in hansa.registry.tokens()} == {None}
    hansa.authenticator.flush()
    used = {token.id: token.last_used_us for token in hansa.registry.tokens()}
    assert used == {first.token.id: hansa.now_us, second.token.id: None}


def test_an_expired_token_does_not_count_as_used(hansa: Hansa) -> None:
    text = hansa.issue(lifetime_s=1).text
    hansa.now_us += 2_000_000
    hansa.refusal(text)
    hansa.authenticator.flush()
    assert hansa.registry.tokens()[0].last_used_us is None


@pytest.mark.parametrize("lifetime_s", [0, -1, LIFETIME_MAX_S + 1, float("nan"), float("inf")])
def test_a_token_without_an_end_is_refused(hansa: Hansa, lifetime_s: float) -> None:
    with pytest.raises(CallerError, match=r"token\.lifetime"):
        hansa.issue(lifetime_s=lifetime_s)


def test_a_token_needs_scopes_an_account_and_well_formed_products(hansa: Hansa) -> None:
    for code, account, scopes, products in (
        ("token.scopes", "ada", [], None),
        ("token.scopes", "ada", ["everything"], None),
        ("account.unknown", "eve", [Scope.READ], None),
        ("id.malformed", "ada", [Scope.READ], ["flights"]),
    ):
        with pytest.raises(CallerError) as caught:
            hansa.issuer.issue("ada", account, "laptop", scopes, products=products)  # type: ignore[arg-type]
        assert caught.value.code == code
    assert hansa.registry.tokens() == []


# Keys


def test_a_key_reads_as_documented() -> None:
    key = new_key()
    assert re.fullmatch(r"hansa_[0-9a-z]{10}_[0-9A-Za-z]{51}", key.text)
    assert parse_key(key.text) == key
    assert new_key() != key


@given(data=st.data())
def test_any_single_typing_error_is_told(data: st.DataObject) -> None:
    text = new_key().text
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != text[at]))
    with pytest.raises(CallerError) as caught:
        parse_key(text[:at] + letter + text[at + 1 :])
    assert caught.value.code == "token.malformed"
    assert text[20:40] not in str(caught.value)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "\n", lambda t: " " + t, lambda t: t.upper(), lambda t: ""]
)
def test_a_key_that_was_not_copied_whole_is_told(change: object) -> None:
    with pytest.raises(CallerError, match=r"token\.malformed"):
        parse_key(change(new_key().text))  # type: ignore[operator]


# The pepper


def test_the_pepper_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    pepper = load_pepper(tmp_path / "pepper")
    assert len(pepper) == 32
    assert load_pepper(tmp_path / "pepper") == pepper
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_pepper_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_pepper(tmp_path / "pepper")
    (tmp_path / "pepper").chmod(mode)
    with pytest.raises(OperatorError, match=r"pepper\.exposed"):
        load_pepper(tmp_path / "pepper")


def test_a_damaged_pepper_is_refused(tmp_path: Path) -> None:
    load_pepper(tmp_path / "pepper")
    (tmp_path / "pepper").write_bytes(b"short")
    with pytest.raises(OperatorError, match=r"pepper\.damaged"):
        load_pepper(tmp_path / "pepper")


def test_a_pepper_that_appears_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pepper = load_pepper(tmp_path / "pepper")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert load_pepper(tmp_path / "pepper") == pepper


def test_two_that_start_at_once_get_the_same_pepper(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(4)

    def load() -> None:
        start.wait(10)
        found.append(load_pepper(tmp_path / "pepper"))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4
    assert len(set(found)) == 1


class Behind(SqliteRegistry):
    """A registry that was heard from some time ago."""

    age_s = 0.0

    def access_age_s(self) -> float:
        return self.age_s


def test_nobody_is_let_in_by_what_was_known_before_the_lease_ended() -> None:
    with closing(Behind()) as registry:
        registry.put_account("root", Account("ada"))
        pepper = new_pepper()
        issued = TokenIssuer(registry, pepper, clock_us=lambda: 1).issue("root", "ada", "laptop", ["read"])
        authenticator = Authenticator(registry, pepper, clock_us=lambda: 2, lease_s=3)
        registry.age_s = 3.0
        assert authenticator.authenticate(issued.text).id == "ada"
        registry.age_s = 3.5
        for enter in (authenticator.check_lease, lambda: authenticator.authenticate(issued.text)):
            with pytest.raises(Unavailable, match=r"not heard from its registry for 4 s.*\[access\.stale\]"):
                enter()
        registry.age_s = 0.1
        assert authenticator.authenticate(issued.text).id == "ada"
