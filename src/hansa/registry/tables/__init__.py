"""The tables of the registry, by part, whatever the database: all of it but how the database is opened and kept."""

from __future__ import annotations

from hansa.registry.tables.audit import AuditTable
from hansa.registry.tables.domains import DomainTables
from hansa.registry.tables.image import ImageTables
from hansa.registry.tables.nodes import NodeTables
from hansa.registry.tables.products import ProductTables
from hansa.registry.tables.schemas import SchemaTables
from hansa.registry.tables.tokens import TokenTables
from hansa.registry.tables.triggers import TriggerTables


class RegistryTables(
    DomainTables, ProductTables, TriggerTables, TokenTables, SchemaTables, AuditTable, NodeTables, ImageTables
):
    """The parts together."""
