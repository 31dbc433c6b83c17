"""Nodes and leases: what stands for a time, by the database's clock."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hansa.registry.interface import Nodes
from hansa.registry.tables.base import Tables
from hansa.registry.values import Lease, Node

_PUT: Final = """
    INSERT INTO node (id, url, roles, version, until_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET url = excluded.url, roles = excluded.roles, version = excluded.version, until_us = excluded.until_us"""
_TAKE: Final = """
    INSERT INTO lease (name, holder, epoch, until_us) VALUES (?, ?, 1, ?) ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, until_us = excluded.until_us, epoch = CASE
        WHEN lease.holder = excluded.holder AND lease.until_us > ? THEN lease.epoch ELSE lease.epoch + 1 END
    WHERE lease.holder = excluded.holder OR lease.until_us <= ?
    RETURNING name, holder, epoch, until_us"""
"""One statement, so that of two who ask at once one sees what the other got. Where the lease is another's, no row."""
_roles: Final = msgspec.json.Decoder(tuple[str, ...]).decode


class NodeTables(Tables, Nodes):
    def put_node(self, node: Node, ttl_s: float) -> None:
        with self._database.use() as connection:
            now_us = self._database.now_us(connection)
            roles = msgspec.json.encode(node.roles).decode()
            connection.execute("DELETE FROM node WHERE until_us <= ?", (now_us,))
            connection.execute(_PUT, (node.id, node.url, roles, node.version, _until(now_us, ttl_s)))

    def nodes(self) -> list[Node]:
        sql = "SELECT id, url, roles, version FROM node WHERE until_us > ? ORDER BY id"
        with self._database.use() as connection:
            rows = connection.execute(sql, (self._database.now_us(connection),)).fetchall()
        return [Node(ident, url, _roles(roles), version) for ident, url, roles, version in rows]

    def remove_node(self, node: str) -> None:
        with self._database.use() as connection:
            connection.execute("DELETE FROM node WHERE id = ?", (node,))

    def take_lease(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        with self._database.use() as connection:
            now_us = self._database.now_us(connection)
            taken = connection.execute(_TAKE, (name, holder, _until(now_us, ttl_s), now_us, now_us))
            return _lease(taken.fetchone())

    def release_lease(self, name: str, holder: str) -> None:
        sql = "UPDATE lease SET holder = '', until_us = 0 WHERE name = ? AND holder = ?"
        with self._database.use() as connection:
            connection.execute(sql, (name, holder))

    def lease(self, name: str) -> Lease | None:
        sql = "SELECT name, holder, epoch, until_us FROM lease WHERE name = ? AND until_us > ?"
        with self._database.use() as connection:
            return _lease(connection.execute(sql, (name, self._database.now_us(connection))).fetchone())


def _until(now_us: int, ttl_s: float) -> int:
    return now_us + int(ttl_s * 1_000_000)


def _lease(row: Any) -> Lease | None:
    return Lease(*row) if row else None
