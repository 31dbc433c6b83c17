"""The registry in PostgreSQL against the model, with another node that has it open meanwhile."""

from __future__ import annotations

import uuid

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from postgresql import execute
from registry_model import RegistryMachine

from hansa.registry.postgres import PostgresRegistry
from hansa.registry.sqlite import now_us


def test_nothing_that_nodes_do_in_turn_differs_from_the_model(postgresql_address: str) -> None:
    class OnPostgreSQL(RegistryMachine):
        def __init__(self) -> None:
            self.schema = f"registry_{uuid.uuid4().hex}"
            super().__init__()
            self.other = self.opened()

        def opened(self) -> PostgresRegistry:
            return PostgresRegistry(postgresql_address, now_us, schema=self.schema)

        @invariant()
        def it_is_the_others_turn(self) -> None:
            self.registry, self.other = self.other, self.registry

        def teardown(self) -> None:
            super().teardown()
            self.other.close()
            execute(postgresql_address, f"DROP SCHEMA {self.schema} CASCADE")

    run_state_machine_as_test(OnPostgreSQL, settings=settings(max_examples=8, stateful_step_count=25, deadline=None))
