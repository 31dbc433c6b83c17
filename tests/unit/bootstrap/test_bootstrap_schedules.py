"""Where timed triggers stand: since which revision, and where a Hansa left them that knew them by their index."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hansa.bootstrap.schedules import LogStarter, Timetable, introduced_by
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, CommitSet, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.model.product import ManualTrigger, OnceTrigger, ProcessSpec, ProductSpec, ScheduleTrigger, Trigger
from hansa.registry.values import Revision, TriggerKey

ONCE = TriggerKey("lab.bench", "load", "once")
NIGHTLY = ScheduleTrigger(cron="0 2 * * *")


def spec(*triggers: Trigger) -> ProductSpec:
    return ProductSpec("lab.bench", "Bench", processes=(ProcessSpec("load", (), triggers),))


def revisions(*specs: ProductSpec) -> list[Revision]:
    """r1, r2, …; the newest first."""
    return [Revision("lab.bench", f"r{number}", number, one, "b", "ada", 0, "") for number, one in enumerate(specs, 1)][
        ::-1
    ]


@pytest.mark.parametrize(("live", "since"), [("r1", "r1"), ("r2", "r1"), ("r4", "r4"), ("r5", "r4"), ("r6", "r6")])
def test_a_once_is_as_old_as_the_first_of_the_revisions_that_have_it_unchanged(live: str, since: str) -> None:
    history = revisions(
        spec(OnceTrigger()), spec(ManualTrigger(), OnceTrigger()), spec(), spec(OnceTrigger()),
        spec(NIGHTLY, OnceTrigger()), spec(OnceTrigger(payload=1)),
    )  # fmt: skip
    assert introduced_by(history, live, ONCE) == since


def test_what_stood_under_an_index_is_moved_to_the_name_and_only_once() -> None:
    log = MemoryLog()
    log.declare("_schedules", TopicConfig())
    history = revisions(spec(NIGHTLY, OnceTrigger()))
    live: Any = SimpleNamespace(id="lab.bench:load", spec=history[0].spec.processes[0])
    product = SimpleNamespace(id="lab.bench", revision="r1", processes={"load": live})
    live.product = product
    mesh: Any = SimpleNamespace(products={"lab.bench": product}, registry=SimpleNamespace(revisions=lambda _: history))

    async def scenario() -> dict[str, int | None]:
        awaitable = AwaitableLog(log, asyncio.get_running_loop())
        moved = CommitSet(
            advances=tuple(Advance(f"schedule:lab.bench:load#{n}", "_schedules", 0, 70 + n) for n in (0, 1))
        )
        await awaitable.commit(moved)
        starter, timetable = LogStarter(awaitable, mesh, SimpleNamespace()), Timetable(mesh)  # type: ignore[arg-type]
        timetable.learn(timetable.unknown())
        await starter.adopt(timetable)
        found = {entry.place: await starter.last_us(entry.place) for entry in timetable.entries()}
        history[:] = revisions(spec(NIGHTLY, OnceTrigger()), spec(NIGHTLY, OnceTrigger(payload=2)))
        product.revision, live.spec = "r2", history[0].spec.processes[0]
        timetable.learn(timetable.unknown())
        await starter.adopt(timetable)
        return found | {entry.place: await starter.last_us(entry.place) for entry in timetable.entries()}

    assert asyncio.run(scenario()) == {
        "lab.bench:load#schedule:0 2 * * * UTC": 70, "lab.bench:load#once@r1": 71, "lab.bench:load#once@r2": None,
    }  # fmt: skip
