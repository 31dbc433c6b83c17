from __future__ import annotations

import pytest

from hansa.protocols.schema_registry.cache import Cache


def test_an_answer_is_made_once_until_the_state_changes() -> None:
    cache, made = Cache(), iter(range(10))
    assert [cache.get("a", lambda: next(made)) for _ in range(3)] == [0, 0, 0]
    cache.forget()
    assert cache.get("a", lambda: next(made)) == 1


def test_an_answer_that_was_begun_before_a_change_is_not_kept_behind_it() -> None:
    cache = Cache()

    def overtaken() -> str:
        cache.forget()
        return "old"

    assert cache.get("a", overtaken) == "old"
    assert cache.get("a", lambda: "new") == "new"


def test_what_raises_is_asked_again() -> None:
    cache = Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert cache.get("a", lambda: 1) == 1
