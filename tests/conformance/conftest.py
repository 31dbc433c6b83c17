"""Every database of views, for the suites that all of them pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from view_stores import Stores

from hansa.discovery.event_search import EventSearch
from hansa.discovery.events import Event, EventsView
from hansa.eventlog.interface import Chunk, encode_entry


def _stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    address = request.getfixturevalue("postgresql_address") if request.param == "postgresql" else ""
    stores = Stores(request.param, tmp_path, address)
    yield stores
    stores.close()


@pytest.fixture(params=["memory", "file", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Databases of one kind; those in memory have no second life."""
    yield from _stores(request, tmp_path)


@pytest.fixture(params=["file", "postgresql"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Databases of one kind that can be closed and opened again."""
    yield from _stores(request, tmp_path)


@pytest.fixture(scope="module", params=["memory", "postgresql"])
def search_in(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Sequence[Event]], EventSearch]]:
    """Makes a search over events, in this order; the one before is gone then."""
    address = request.getfixturevalue("postgresql_address") if request.param == "postgresql" else ""
    stores, view = Stores(request.param, tmp_path_factory.mktemp("views"), address), EventsView()
    store = stores.open()
    assert store.hold()
    with store.writing() as db:
        view.create(db)

    def search(events: Sequence[Event]) -> EventSearch:
        body = b"".join(encode_entry(event.source, event) for event in events)
        with store.writing() as db:
            db.execute("DELETE FROM event")
            view.apply(db, [Chunk("_events", 0, 0, len(events), 1, {}, body)])
        return EventSearch(store)

    yield search
    stores.close()
