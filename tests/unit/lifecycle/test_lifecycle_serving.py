"""What making a revision ready may keep waiting."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hansa.blobs.folder import FolderBlobs
from hansa.errors import CallerError
from hansa.lifecycle.serving import Serving
from hansa.model.product import ProductSpec
from hansa.outputs.lookups import Lookups
from hansa.registry.values import Revision
from hansa.runtime.environment import EnvironmentBuilder
from hansa.runtime.workshop import Workshop
from hansa.views.projector import Projector


class FarBlobs(FolderBlobs):
    """Blobs that note which threads have waited for them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.threads: list[threading.Thread] = []

    def get(self, blob: str) -> bytes:
        self.threads.append(threading.current_thread())
        return super().get(blob)


def test_a_bundle_is_never_waited_for_on_the_event_loop(tmp_path: Path) -> None:
    blobs = FarBlobs(tmp_path / "blobs")
    workshop = Workshop(tmp_path / "scratch", isolation="none")
    lookups = Lookups(tmp_path / "lookups", Projector(lambda cursor, token: cursor == token), lambda _: None, str)
    serving = Serving(tmp_path, blobs, workshop, EnvironmentBuilder(tmp_path / "environments"), lookups, {})
    revision = Revision("shop.orders", "r1", 1, ProductSpec("shop.orders", "Orders"), "0" * 64, "ada", 0)
    with pytest.raises(CallerError, match=r"blob\.unknown"):
        asyncio.run(serving.pool_of(revision))
    assert [thread is threading.main_thread() for thread in blobs.threads] == [False]
