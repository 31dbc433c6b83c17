"""Views that count, for tests of what keeps views."""

from __future__ import annotations

from collections.abc import Sequence

from hansa.eventlog.interface import Chunk
from hansa.views.database import Connection
from hansa.views.group import ViewGroup
from hansa.views.interface import View
from hansa.views.keeping import Order
from hansa.views.table import Insert, Table


class Entries(View):
    """Counts entries of the topic `t` by partition."""

    name = "entries"
    version = 1
    tables = (Table("entries", {"partition": "number", "count": "number"}, key=("partition",)),)

    def follows(self, topic: str) -> bool:
        return topic == "t"

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            db.write(ADDED, [(chunk.partition, chunk.count)])

    def keep(self, db: Connection, order: Order) -> None:
        """Nothing: it holds no more than numbers."""


ADDED = Insert(Entries.tables[0], on=("partition",), do="UPDATE SET count = entries.count + excluded.count")


class Newer(Entries):
    version = 2


class Fragile(Entries):
    """Cannot stand entries of a run named `bad`, but writes a row before it says so."""

    name = "fragile"
    tables = (Table("fragile", {"partition": "number", "count": "number"}),)

    def apply(self, db: Connection, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            db.execute("INSERT INTO fragile VALUES (?, ?)", (chunk.partition, chunk.count))
            if chunk.header.get("run") == "bad":
                raise ValueError("cannot stand it")


def settle(group: ViewGroup) -> None:
    while group.advance():
        pass


def counts(group: ViewGroup, table: str = "entries") -> dict[int, int]:
    with group.store.reading() as db:
        return dict(db.execute(f"SELECT partition, CAST(SUM(count) AS BIGINT) FROM {table} GROUP BY partition"))
