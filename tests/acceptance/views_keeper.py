"""One process that keeps views in PostgreSQL, as a node does: `python views_keeper.py LOG URL SCHEMA`.

Says behind each round that changed it how far its views are: their cursors in a line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hansa.discovery.events import EventsView
from hansa.discovery.lineage import LineageView
from hansa.discovery.runs import RunsView
from hansa.eventlog.sqlite_reading import SqliteLogReader
from hansa.views.group import ViewGroup
from hansa.views.postgres import PostgresDatabase
from hansa.views.projector import Projector


def main(folder: Path, url: str, schema: str) -> None:
    log = SqliteLogReader(folder)
    store = PostgresDatabase(url, schema)
    projector = Projector(
        log.covers, [ViewGroup(log, store, [RunsView(), EventsView(), LineageView()], patient_s=10.0)], gather_s=0.02
    )
    said: list[str] = []

    def say() -> None:
        cursors = [status.cursor for status in projector.statuses()]
        if cursors != said:
            said[:] = cursors
            print(json.dumps(cursors), flush=True)

    projector.start(say)
    store.watch(projector.hurry)
    for _ in sys.stdin:
        projector.hurry()
    projector.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
