"""A batch that is not what was written is found, whatever part of it changed."""

from __future__ import annotations

import pytest

from hansa.errors import InternalError
from hansa.eventlog import batch
from hansa.eventlog.batch import Batch
from hansa.eventlog.interface import encode_entry, split
from hansa.eventlog.plan import Pending

KEY = bytes(range(32))


def pending(*bodies: object, **header: object) -> Pending:
    return Pending(header, len(bodies), b"".join(encode_entry("k", body) for body in bodies))


def stored(*chunks: Pending, base: int = 7) -> Batch:
    (made,) = batch.batches(("t", 1), base, 99, chunks)
    return made


def no_key(number: int) -> tuple[str | None, bytes | None]:
    raise LookupError(number)


def keys(number: int, name: str | None, key: bytes | None) -> batch.KeyOf:
    return {number: (name, key)}.__getitem__


def test_chunks_come_back_with_their_headers_and_positions() -> None:
    chunks = batch.opened(batch.checked(stored(pending(1, 2, run="a"), pending(3, run="b"))), no_key)
    assert [(c.base, c.count, c.header) for c in chunks] == [(7, 2, {"run": "a"}), (9, 1, {"run": "b"})]


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "u"},
        {"partition": 2},
        {"base": 8},
        {"count": 1},
        {"time_us": 98},
        {"checksum": 0},
        {"body": b""},
        {"body": None},
    ],
)
def test_a_change_of_any_part_is_damage(change: dict[str, object]) -> None:
    good = stored(pending(1, 2))
    assert batch.checked(good) == good
    with pytest.raises(InternalError) as raised:
        batch.checked(good._replace(**change))
    assert raised.value.code == "log.damaged"


def test_batches_end_where_they_would_be_too_large_to_read_at_once() -> None:
    chunks = [Pending({}, 2, bytes(batch.BYTES_MAX // 2)) for _ in range(5)]
    made = list(batch.batches(("t", 0), 10, 0, chunks))
    assert [(b.base, b.count) for b in made] == [(10, 4), (14, 4), (18, 2)]
    assert max(len(b.body) for b in made) < batch.BYTES_MAX + 100


def test_sealed_entries_need_their_key() -> None:
    plain = pending("secret", subject="bo")
    made = stored(batch.sealed(plain, 5, KEY))
    assert b"secret" not in made.body
    assert b"bo" not in made.body
    (chunk,) = batch.opened(made, keys(5, "bo", KEY))
    assert (chunk.entries, chunk.header) == (plain.entries, {"subject": "bo"})
    (empty,) = batch.opened(made, keys(5, None, None))
    assert (empty.header, empty.person) == ({}, 5)
    assert [(key, bytes(body)) for key, body in split(empty.entries, empty.count)] == [(None, b"\xc0")]


@pytest.mark.parametrize("key_of", [no_key, keys(5, "bo", bytes(32)), keys(5, "bo", b"short")])
def test_a_wrong_or_missing_key_is_damage_and_not_forgetting(key_of: batch.KeyOf) -> None:
    with pytest.raises(InternalError) as raised:
        batch.opened(stored(batch.sealed(pending(1), 5, KEY)), key_of)
    assert raised.value.details == {"topic": "t", "partition": 1, "position": 7}
