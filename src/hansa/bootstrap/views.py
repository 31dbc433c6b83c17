"""The views of a Hansa, and the process that keeps them: `python -m hansa.bootstrap.views FOLDER DESCRIPTOR`."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from hansa.bootstrap.log import open_reader
from hansa.bootstrap.place import place_from
from hansa.discovery.events import EventsView
from hansa.discovery.lineage import LineageView
from hansa.discovery.quarantine import QuarantineView
from hansa.discovery.runs import RunsView
from hansa.observe import output
from hansa.outputs.lookup import LookupProjector, lookup_path
from hansa.views.damage import set_aside
from hansa.views.database import Database, Reader
from hansa.views.group import ViewGroup
from hansa.views.interface import View
from hansa.views.projector import Projector
from hansa.views.remote import Server, standing
from hansa.views.sqlite import SqliteDatabase, SqliteReader

VIEWS: Final = "views"
LOOKUPS: Final = "lookups"
VIEWS_GATHER_S: Final = 0.05
PATIENT_S: Final = 10.0
"""How long a node that takes the views over waits until what it has heard of the log has come as far as they have."""
GARBAGE_AFTER: Final = 200_000
LOOKUPS_GATHER_S: Final = 0.01
"""Logic that looks something up does not wait: this is how far behind its read model is."""


def kinds() -> list[View]:
    """Every view that is kept."""
    return [RunsView(), EventsView(), LineageView(), QuarantineView()]


def views_file(data: Path) -> Path:
    return data / "views.db"


def lookups_folder(data: Path) -> Path:
    return data / "lookups"


def open_reader_of_views(data: Path, database: str, on_damage: Callable[[], object]) -> Reader:
    """Reads the views in `database`, or in the file of views where that is nothing. Raises `OperatorError` where views
    cannot be kept there."""
    if not database:
        return SqliteReader(views_file(data), on_damage)
    from hansa.databases.postgres import Pool
    from hansa.views.postgres import SCHEMA, PostgresReader, check

    pool = Pool(database, SCHEMA)
    check(pool)
    return PostgresReader(pool)


def open_views(data: Path, database: str) -> Database:
    """The views in `database`, or in the file of views where that is nothing, for who may write them."""
    if not database:
        return SqliteDatabase(views_file(data))
    from hansa.views.postgres import PostgresDatabase

    return PostgresDatabase(database)


async def spawn(data: Path, sock: socket.socket) -> asyncio.subprocess.Process:
    """Starts the process with its end of the socket. A Ctrl-C is the server's alone: it says when it is enough."""
    descriptor = sock.fileno()
    command = [sys.executable, "-m", "hansa.bootstrap.views", str(data), str(descriptor)]
    return await asyncio.create_subprocess_exec(*command, pass_fds=(descriptor,), start_new_session=True)


def main(data: Path, descriptor: int) -> None:
    """Keeps the views of `data` until the server says that it is enough, or is gone."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    output.begin(os.environ)
    held = os.open(data / "views.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # one that lost its server is at its end: it is waited for
    server = Server(socket.socket(fileno=descriptor))
    log = open_reader(data, place_from(os.environ, "", 0))
    store = open_views(data, os.environ.get("HANSA_DATABASE", ""))
    group = ViewGroup(log, store, kinds(), patient_s=PATIENT_S)
    followers = {VIEWS: (group,), LOOKUPS: ()}
    gather_s = {VIEWS: VIEWS_GATHER_S, LOOKUPS: LOOKUPS_GATHER_S}
    projectors = {name: Projector(log.covers, followers[name], gather_s=gather_s[name]) for name in (VIEWS, LOOKUPS)}
    for name, projector in projectors.items():
        projector.start(partial(_tell, server, name, projector))

    store.watch(projectors[VIEWS].hurry)

    def wake(_: set[str]) -> None:
        for projector in projectors.values():
            projector.wake()

    log.watch(wake)

    def follow(port: str) -> None:
        projectors[LOOKUPS].add(LookupProjector(log, lookup_path(lookups_folder(data), port), port))

    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)  # whole batches of entries are decoded, none of them in circles

    def renew() -> None:
        set_aside(views_file(data))
        os._exit(1)

    if not server.serve(projectors, follow, renew):
        os._exit(1)
    for projector in projectors.values():
        projector.stop()
    log.close()


def _tell(server: Server, name: str, projector: Projector) -> None:
    server.tell(standing(name, projector))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
