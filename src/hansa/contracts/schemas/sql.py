"""Tables for PostgreSQL and DuckDB: the statements that create one for a contract's records.

Structs are composite types in PostgreSQL and STRUCT in DuckDB, enumerations are types, lists are arrays; maps are
`jsonb` in PostgreSQL (in the form of `json_schema`) and MAP in DuckDB. Unsigned integers that PostgreSQL does not have
take the next wider type and a check. Required fields are NOT NULL, also within structs (by a check), not within lists
and maps, where no database checks them. Descriptions become comments. PostgreSQL has no lists of lists; DuckDB no
decimals of more than 38 digits; columns that differ only in case would be one: these are refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from collections.abc import Sequence as Several
from typing import Any, Final, Literal, assert_never

from hansa.contracts.schemas.logical import (
    Anything,
    Boolean,
    Date,
    Decimal,
    Enumeration,
    Field,
    Integer,
    Logical,
    Mapping,
    Real,
    Sequence,
    Struct,
    Text,
    Time,
    Timestamp,
    Uuid,
    unrepresentable,
)

Dialect = Literal["postgresql", "duckdb"]

NAME_MAX_BYTES: Final = 63
_SIMPLE: Final[dict[Dialect, dict[type[Any], str]]] = {
    "postgresql": {Text: "text", Uuid: "uuid", Boolean: "boolean", Date: "date"},
    "duckdb": {Text: "VARCHAR", Uuid: "UUID", Boolean: "BOOLEAN", Date: "DATE"},
}
_DIGITS: Final = {"s": 0, "ms": 3, "us": 6}
_SIGNED: Final = {8: "smallint", 16: "smallint", 32: "integer", 64: "bigint"}
_UNSIGNED: Final = {8: "smallint", 16: "integer", 32: "bigint", 64: "numeric(20, 0)"}
_DUCKDB_INTEGERS: Final = {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}
_DUCKDB_TIMESTAMPS: Final = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP"}


def derive(record: Struct, dialect: Dialect, table: str, *, key: Several[str] = ()) -> str:
    """The statements, each ended by a semicolon, that create `table` in an empty schema; `key` becomes its primary key.

    Raises `AuthorError("schema.unrepresentable")` with the path of what the database does not have.
    """
    made = (_PostgreSql if dialect == "postgresql" else _DuckDb)(table)
    columns = [made.column(field) for field in record.fields]
    made.check_names([field.name for field in record.fields], "")
    checks = [f"CHECK ({check})" for field in record.fields for check in made.checks(field, quoted(field.name))]
    keyed = [f"PRIMARY KEY ({', '.join(map(quoted, key))})"] if key else []
    body = ",\n".join(f"    {line}" for line in (*columns, *keyed, *checks))
    return "\n".join((*made.before, f"CREATE TABLE {quoted(table)} (\n{body}\n);", *_comments(record, table))) + "\n"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _comments(record: Struct, table: str) -> Iterator[str]:
    if record.description:
        yield f"COMMENT ON TABLE {quoted(table)} IS {literal(record.description)};"
    for field in record.fields:
        if field.description:
            yield f"COMMENT ON COLUMN {quoted(table)}.{quoted(field.name)} IS {literal(field.description)};"


class _Dialect(ABC):
    """What both have in common. `before` are the statements for the types that a table needs."""

    title: str

    def __init__(self, table: str) -> None:
        self.table = table
        self.before: list[str] = []

    def column(self, field: Field) -> str:
        default = f" DEFAULT {self.value(field)}" if field.has_default else ""
        required = " NOT NULL" if field.is_required else ""
        return f"{quoted(field.name)} {self.type(field.type, field.name)}{default}{required}"

    def value(self, field: Field) -> str:
        """The default as a literal of the column's type."""
        value = field.default
        if value is None:
            return "NULL"
        if isinstance(value, bool | int):
            return str(value).upper()
        return literal(value.isoformat(" ") if isinstance(field.type, Timestamp) else str(value))

    @abstractmethod
    def type(self, kind: Logical, path: str) -> str:
        """The column's type; what it needs goes to `before`."""

    def checks(self, field: Field, column: str) -> Iterator[str]:
        """Conditions on a column: ranges that the type does not say, required fields within structs. `IS NULL` asks
        in PostgreSQL whether all fields of a struct are, so it does not stand here."""
        yield from self.ranges(field.type, column)
        if isinstance(field.type, Struct):
            for member in field.type.fields:
                below = self.member(column, member.name)
                if member.is_required:
                    yield f"{column} IS NOT DISTINCT FROM NULL OR {below} IS DISTINCT FROM NULL"
                yield from self.checks(member, below)

    @abstractmethod
    def ranges(self, kind: Logical, column: str) -> Iterator[str]:
        """What the type of a column does not say of its values."""

    @abstractmethod
    def member(self, column: str, name: str) -> str:
        """A field of a struct, as an expression."""

    def check_names(self, names: list[str], path: str) -> None:
        seen: dict[str, str] = {}
        for name in names:
            if (other := seen.setdefault(name.lower(), name)) != name:
                raise self.refused(path, f"would have {other!r} and {name!r} as one column", "Rename one of them.")

    def refused(self, path: str, message: str, hint: str) -> Exception:
        return unrepresentable(self.title, path, message, hint)


class _PostgreSql(_Dialect):
    title = "PostgreSQL"

    def type(self, kind: Logical, path: str) -> str:
        match kind:
            case Text() | Uuid() | Boolean() | Date():
                return _SIMPLE["postgresql"][type(kind)]
            case Integer(bits, is_signed):
                return (_SIGNED if is_signed else _UNSIGNED)[bits]
            case Real(bits):
                return "real" if bits == 32 else "double precision"
            case Decimal(precision, scale):
                return self._decimal(precision, scale, path)
            case Time(unit, has_zone) | Timestamp(unit, has_zone):
                zone = "with" if has_zone else "without"
                return f"{type(kind).__name__.lower()}({_DIGITS[unit]}) {zone} time zone"
            case Enumeration(_, values):
                return self._made(path, f"ENUM ({', '.join(map(self._label, values))})")
            case Sequence(item):
                if isinstance(item, Sequence):
                    raise self.refused(path, "has no lists of lists", "Put an object with a list between the two.")
                return f"{self.type(item, f'{path}[]')}[]"
            case Mapping() | Anything():
                return "jsonb"
            case Struct(_, fields):
                self.check_names([field.name for field in fields], path)
                members = [f"{quoted(field.name)} {self.type(field.type, f'{path}.{field.name}')}" for field in fields]
                return self._made(path, f"({', '.join(members)})")
            case _:
                assert_never(kind)

    def ranges(self, kind: Logical, column: str) -> Iterator[str]:
        if isinstance(kind, Integer) and (not kind.is_signed or kind.bits == 8):
            yield f"{column} BETWEEN {kind.minimum} AND {kind.maximum}"
        if isinstance(kind, Sequence) and kind.size is not None:
            yield f"cardinality({column}) = {kind.size}"
        if isinstance(kind, Mapping):
            yield f"jsonb_typeof({column}) = 'object'"

    def member(self, column: str, name: str) -> str:
        return f"({column}).{quoted(name)}"

    def check_names(self, names: list[str], path: str) -> None:
        for name in names:
            if len(name.encode()) > NAME_MAX_BYTES:
                message = f"cuts names longer than {NAME_MAX_BYTES} bytes, such as {name!r}"
                raise self.refused(path, message, "Give it a shorter one.")

    def _decimal(self, precision: int | None, scale: int | None, path: str) -> str:
        if precision is not None and precision > 1000:
            raise self.refused(path, f"has no decimals of {precision} digits", "Use at most 1000.")
        return "numeric" if precision is None else f"numeric({precision}, {scale})"

    def _label(self, value: str) -> str:
        self.check_names([value], "")
        return literal(value)

    def _made(self, path: str, definition: str) -> str:
        """A type of its own, named after table and path."""
        name = f"{self.table}_{path.replace('.', '_').replace('[]', '_item')}"
        self.check_names([name], path)
        statement = f"CREATE TYPE {quoted(name)} AS {definition};"
        if any(one.startswith(f"CREATE TYPE {quoted(name)} AS") for one in self.before):
            raise self.refused(path, f"would have two types called {name!r}", "Rename one of the two properties.")
        self.before.append(statement)
        return quoted(name)


class _DuckDb(_Dialect):
    title = "DuckDB"

    def type(self, kind: Logical, path: str) -> str:
        match kind:
            case Text() | Uuid() | Boolean() | Date():
                return _SIMPLE["duckdb"][type(kind)]
            case Integer(bits, is_signed):
                return f"{'' if is_signed else 'U'}{_DUCKDB_INTEGERS[bits]}"
            case Real(bits):
                return "FLOAT" if bits == 32 else "DOUBLE"
            case Decimal(precision, scale):
                if precision is None or precision > 38:
                    asked = "without a precision" if precision is None else f"of {precision} digits"
                    raise self.refused(path, f"has no decimals {asked}", "Give physicalType decimal(p, s), p up to 38.")
                return f"DECIMAL({precision}, {scale})"
            case Time(_, has_zone):
                return "TIMETZ" if has_zone else "TIME"
            case Timestamp(unit, has_zone):
                return "TIMESTAMPTZ" if has_zone else _DUCKDB_TIMESTAMPS[unit]
            case Enumeration(_, values):
                return f"ENUM ({', '.join(map(literal, values))})"
            case Sequence(item, size):
                return f"{self.type(item, f'{path}[]')}[{'' if size is None else size}]"
            case Mapping(key, value):
                return f"MAP({self.type(key, path)}, {self.type(value, f'{path}{{}}')})"
            case Struct(_, fields):
                self.check_names([field.name for field in fields], path)
                members = [f"{quoted(field.name)} {self.type(field.type, f'{path}.{field.name}')}" for field in fields]
                return f"STRUCT({', '.join(members)})"
            case Anything():
                return "JSON"
            case _:
                assert_never(kind)

    def ranges(self, kind: Logical, column: str) -> Iterator[str]:  # noqa: ARG002  its types say all
        return iter(())

    def member(self, column: str, name: str) -> str:
        return f"struct_extract({column}, {literal(name)})"
