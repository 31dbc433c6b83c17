"""Paused triggers and schedules' marks in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple

from hansa.errors import CallerError
from hansa.registry.interface import Triggers
from hansa.registry.spec import decode_spec
from hansa.registry.sqlite.tables import PRODUCT, Tables, known
from hansa.registry.values import TriggerKey


class TriggerTables(Tables, Triggers):
    def pause_trigger(self, actor: str, trigger: TriggerKey) -> None:
        with self._changing(actor) as change:
            _check(change.connection, trigger)
            if change.execute("INSERT OR IGNORE INTO paused_trigger VALUES (?, ?, ?)", *astuple(trigger)).rowcount:
                change.audit("trigger.paused", str(trigger), {"paused": False}, {"paused": True})

    def resume_trigger(self, actor: str, trigger: TriggerKey) -> None:
        sql = "DELETE FROM paused_trigger WHERE product = ? AND process = ? AND position = ?"
        with self._changing(actor) as change:
            if change.execute(sql, *astuple(trigger)).rowcount:
                change.audit("trigger.resumed", str(trigger), {"paused": True}, {"paused": False})

    def paused_triggers(self) -> frozenset[TriggerKey]:
        return frozenset(
            TriggerKey(*row) for row in self._rows("SELECT product, process, position FROM paused_trigger")
        )

    def mark_schedule(self, trigger: TriggerKey, last_us: int) -> None:
        with self._database.write() as connection:
            known(connection, PRODUCT, trigger.product)
            connection.execute(
                "INSERT INTO schedule VALUES (?, ?, ?, ?) ON CONFLICT (product, process, position)"
                " DO UPDATE SET last_us = MAX(last_us, excluded.last_us)",
                (*astuple(trigger), last_us),
            )

    def schedule_mark(self, trigger: TriggerKey) -> int | None:
        sql = "SELECT last_us FROM schedule WHERE product = ? AND process = ? AND position = ?"
        rows = self._rows(sql, *astuple(trigger))
        return rows[0][0] if rows else None


def _check(connection: sqlite3.Connection, trigger: TriggerKey) -> None:
    known(connection, PRODUCT, trigger.product)
    (spec,) = connection.execute(
        "SELECT r.spec FROM product p JOIN deployment d ON d.id = p.live"
        " JOIN revision r ON r.product = p.id AND r.hash = d.hash WHERE p.id = ?",
        (trigger.product,),
    ).fetchone()
    process = decode_spec(spec).process(trigger.process)
    if process is None or not 0 <= trigger.index < len(process.triggers):
        raise CallerError(
            "trigger.unknown",
            f"There is no trigger {trigger}",
            hint=f"`hansa show {trigger.product}` lists its processes and their triggers, counted from 0.",
            details={"value": str(trigger)},
        )
