"""A batch in the shape that a logic asks for: records, an Arrow table or a Polars frame."""

from __future__ import annotations

from typing import Any

import msgspec


def as_shape(value: Any, shape: str) -> Any:
    """`value` as a list (a single value is a batch of one), an Arrow table or a Polars frame."""
    rows = value if isinstance(value, list) else [value]
    if shape == "list":
        return rows if value is not None else []
    if shape == "arrow":
        import pyarrow

        return value if isinstance(value, pyarrow.Table) else pyarrow.Table.from_pylist(_plain(rows))
    import polars

    return value if isinstance(value, polars.DataFrame) else polars.DataFrame(_plain(rows))


def _plain(rows: list[Any]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row for row in rows]
