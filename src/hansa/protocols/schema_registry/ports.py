"""The subjects of ports: schemas derived from the contracts of all revisions, in the order in which they were deployed.

What was derived is kept, so that an id means the same for good, whatever a later Hansa would derive. It is done when a
product's subjects are asked for the first time behind a deploy; nothing is looked at twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from hansa.access.principal import SYSTEM
from hansa.contracts.schemas.wire import WireSchema, wire_schema
from hansa.errors import AuthorError, CallerError
from hansa.model.ids import PortId
from hansa.model.product import ContractSpec, OutputPortSpec, WireFormat
from hansa.model.window import Window
from hansa.protocols.schema_registry.migration import Windows, migration_rules
from hansa.protocols.schema_registry.names import PortSubject
from hansa.protocols.schema_registry.subject import MAJOR, Entry, Subject, merged_rules
from hansa.registry.interface import Registry
from hansa.registry.values import (
    PortSchema,
    Product,
    Revision,
    SchemaContent,
    SchemaPart,
    SchemaType,
    SubjectSettings,
)

_TYPES: Final[dict[str, SchemaType]] = {"avro": "AVRO", "json": "JSON", "protobuf": "PROTOBUF"}
_FORMATS: Final[dict[str, WireFormat]] = {"AVRO": "avro", "JSON": "json", "PROTOBUF": "protobuf"}
_PARTS: Final[tuple[SchemaPart, ...]] = ("key", "value")
WindowsOf = Callable[[Revision], Mapping[str, Window]]
"""The windows that the contracts of a revision open, by port."""
_Kept = dict[tuple[str, str, SchemaPart], int | None]


class Written(NamedTuple):
    """What a record of a port was written with: `number` is the id of the schema."""

    contract: ContractSpec
    schema: WireSchema
    number: int


class PortSubjects:
    """The subjects of all ports of a registry. Any thread may ask."""

    def __init__(self, registry: Registry, windows_of: WindowsOf, on_derived: Callable[[], None]) -> None:
        self._registry = registry
        self._on_derived = on_derived
        self._windows_of = windows_of
        self._kept: dict[str, _Kept] = {}
        self._windows: dict[str, tuple[str, Mapping[str, Window]]] = {}
        self._lock = threading.Lock()

    def subject(self, of: PortSubject) -> Subject | None:
        """The subject of a port that some revision had; None of any other."""
        product = self._product(of.product)
        if product is None:
            return None
        kept = self._followed(product)
        entries = self._entries(of, self._majors(product, of.port))
        own = [entry for entry in entries if entry.property(MAJOR) == str(of.port.major)]
        if not own:
            return None
        live = kept.get((product.live.hash, str(of.port), of.part))
        latest = next((entry for entry in own if entry.id == live), own[-1])
        port = product.live.spec.output(str(of.port))
        settings = SubjectSettings(_mode(port), MAJOR, "READONLY")
        return Subject(str(of), entries, latest, settings, of.product)

    def written(self, product: str, revision: str, port: str) -> Written | None:
        """With which contract and schema a revision writes the records of a port; None where it has none. A revision
        that is not known is the live one."""
        found = self._product(product)
        if found is None:
            return None
        kept, live = self._followed(found), found.live
        made = live if (revision, port, "value") not in kept else self._registry.revision(product, revision)
        output, number = made.spec.output(port), kept.get((made.hash, port, "value"))
        if output is None or number is None:
            return None
        content = self._registry.schema(number)
        assert content is not None, "a schema of a port is never taken away"
        return Written(output.contract, WireSchema(_FORMATS[content.type], content.text), number)

    def all(self) -> Iterator[PortSubject]:
        """Every subject that a port has or had."""
        for product in self._registry.search(limit=100_000).products:
            found = {(port, part) for (_, port, part), schema in self._followed(product).items() if schema is not None}
            yield from (PortSubject(PortId.parse(port), part) for port, part in sorted(found))

    def _product(self, product: str) -> Product | None:
        try:
            return self._registry.product(product)
        except CallerError:
            return None

    def _followed(self, product: Product) -> _Kept:
        """What was derived for a product; first of those revisions that were not looked at yet."""
        kept = self._kept.get(product.id)
        if kept is not None and _is_followed(kept, product.live):
            return kept
        with self._lock:
            kept = self._registry.port_schemas(product.id)
            revisions = list(reversed(self._registry.revisions(product.id)))
            fresh = [revision for revision in revisions if not _is_followed(kept, revision)]
            if fresh:
                self._registry.add_port_schemas(SYSTEM.id, product.id, list(self._derived(fresh, kept)))
                kept = self._registry.port_schemas(product.id)
                self._on_derived()
            self._kept[product.id] = kept
        return kept

    def _derived(self, fresh: list[Revision], kept: _Kept) -> Iterator[PortSchema]:
        last = {(port, part): schema for (_, port, part), schema in kept.items() if schema is not None}
        texts: dict[tuple[str, SchemaPart], SchemaContent | None] = {
            place: self._registry.schema(schema) for place, schema in last.items()
        }
        for revision in fresh:
            for port in revision.spec.outputs:
                for part in _parts(port.contract):
                    content = _content(port, part, texts.get((port.id, part)))
                    texts[port.id, part] = content or texts.get((port.id, part))
                    line = PortSubject(PortId.parse(port.id), part).line
                    yield PortSchema(revision.hash, port.id, part, line, content)

    def _entries(self, of: PortSubject, windows: Windows) -> tuple[Entry, ...]:
        found: list[Entry] = []
        for kept in self._registry.schema_versions(of.line):
            content = self._registry.schema(kept.id)
            assert content is not None, "a schema of a port is never taken away"
            entry = Entry(kept.version, kept.id, content)
            if found:
                before, major = (int(one.property(MAJOR) or 0) for one in (found[-1], entry))
                rules = migration_rules(of.port, before, major, windows)
                entry = Entry(kept.version, kept.id, merged_rules(content, rules))
            found.append(entry)
        return tuple(found)

    def _majors(self, product: Product, port: PortId) -> Windows:
        """The windows of the live revision between the majors of a port."""
        revision, windows = self._windows.get(product.id, ("", {}))
        if revision != product.live.hash:
            windows = self._windows_of(product.live)
            self._windows[product.id] = (product.live.hash, windows)
        ids = {PortId.parse(one): window for one, window in windows.items()}
        return {one.major: window for one, window in ids.items() if one.name == port.name}


def _parts(contract: ContractSpec) -> tuple[SchemaPart, ...]:
    return _PARTS if contract.key else _PARTS[1:]


def _is_followed(kept: _Kept, revision: Revision) -> bool:
    return all((revision.hash, port.id, "value") in kept for port in revision.spec.outputs)


def _content(port: OutputPortSpec, part: SchemaPart, before: SchemaContent | None) -> SchemaContent | None:
    previous = before.text if before is not None and before.type == "PROTOBUF" else None
    try:
        form, text = wire_schema(port.contract, part, previous)
    except AuthorError:
        return None
    metadata = {"properties": {MAJOR: str(PortId.parse(port.id).major)}}
    return SchemaContent(_TYPES[form], text, (), metadata)


def _mode(port: OutputPortSpec | None) -> str:
    return ContractSpec("", "", ()).compatibility if port is None else port.contract.compatibility
