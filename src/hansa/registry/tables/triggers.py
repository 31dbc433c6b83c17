"""Paused triggers."""

from __future__ import annotations

from dataclasses import astuple
from typing import Final

from hansa.errors import CallerError
from hansa.model.ids import did_you_mean
from hansa.model.trigger_key import trigger_names
from hansa.registry.database import Connection
from hansa.registry.interface import Triggers
from hansa.registry.spec import decode_spec
from hansa.registry.tables.base import PRODUCT, Tables, known
from hansa.registry.values import TriggerKey

_PAUSE: Final = "INSERT INTO paused_trigger VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class TriggerTables(Tables, Triggers):
    def pause_trigger(self, actor: str, trigger: TriggerKey) -> None:
        with self._changing(actor) as change:
            _check(change.connection, trigger)
            if change.execute(_PAUSE, *astuple(trigger)).rowcount:
                change.audit("trigger.paused", str(trigger), {"paused": False}, {"paused": True})

    def resume_trigger(self, actor: str, trigger: TriggerKey) -> None:
        sql = "DELETE FROM paused_trigger WHERE product = ? AND process = ? AND name = ?"
        with self._changing(actor) as change:
            if change.execute(sql, *astuple(trigger)).rowcount:
                change.audit("trigger.resumed", str(trigger), {"paused": True}, {"paused": False})

    def paused_triggers(self) -> frozenset[TriggerKey]:
        return frozenset(TriggerKey(*row) for row in self._rows("SELECT product, process, name FROM paused_trigger"))


def _check(connection: Connection, trigger: TriggerKey) -> None:
    known(connection, PRODUCT, trigger.product)
    (spec,) = connection.execute(
        "SELECT r.spec FROM product p JOIN deployment d ON d.id = p.live"
        " JOIN revision r ON r.product = p.id AND r.hash = d.hash WHERE p.id = ?",
        (trigger.product,),
    ).fetchone()
    process = decode_spec(spec).process(trigger.process)
    names = () if process is None else trigger_names(process.triggers)
    if trigger.name not in names:
        raise CallerError(
            "trigger.unknown",
            f"There is no trigger {trigger}",
            hint=did_you_mean(trigger.name, names) or f"`hansa show {trigger.product}` lists processes and triggers.",
            details={"value": str(trigger)},
        )
