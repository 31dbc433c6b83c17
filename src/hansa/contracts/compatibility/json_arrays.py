"""Arrays: elements by place and further ones, uniqueness, what must be among them."""

from __future__ import annotations

from collections.abc import Iterator

from hansa.contracts.compatibility.json_document import Json
from hansa.contracts.compatibility.json_shape import Comparison, Shape
from hansa.contracts.compatibility.json_words import said
from hansa.contracts.compatibility.verdict import Break


def array_breaks(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """Why the reader may refuse an array that the writer permits."""
    longest = writer.sizes.get("maxItems")
    places = max(len(writer.prefix), len(reader.prefix))
    for index in range(places if longest is None else min(places, longest)):
        if writer.at(index) is False:
            break  # an array that long is not permitted
        yield from walk.breaks(writer.at(index), reader.at(index), f"{path}[{index}]")
    else:
        if longest is None or longest > places:
            yield from walk.breaks(writer.items, reader.items, f"{path}[]")
    if reader.is_unique and not writer.is_unique and (longest is None or longest > 1):
        yield Break(path, "limit.tightened", "equal elements", "unique elements", "uniqueItems")
    for asked in reader.contained:
        if not _contains(walk, writer, asked):
            yield Break(path, "limit.tightened", "any elements", f"some {said(asked['contains'])}", "contains")


def _contains(walk: Comparison, writer: Shape, asked: Json) -> bool:
    """Whether what the reader wants among the elements is known to be there."""
    least = asked.get("minContains", 1)
    if asked in writer.contained:
        return True
    if "maxContains" in asked:
        return False
    everywhere = not any(walk.breaks(one, asked["contains"], "") for one in (*writer.prefix, writer.items))
    if least == 0 or (everywhere and writer.sizes.get("minItems", 0) >= least):
        return True
    return any(
        known.get("minContains", 1) >= least and not walk.breaks(known["contains"], asked["contains"], "")
        for known in writer.contained
    )
