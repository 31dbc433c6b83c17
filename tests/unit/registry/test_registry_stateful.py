from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from registry_model import RegistryMachine

from hansa.registry.sqlite import SqliteRegistry


class OnSqlite(RegistryMachine):
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        super().__init__()

    def opened(self) -> SqliteRegistry:
        return SqliteRegistry(self.folder / "r.db")

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


OnSqlite.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestRegistry = OnSqlite.TestCase
