"""The dates of a contract's version: when it may be used, is supported no more, and ends (ODCS, slaProperties)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Final

from hansa.contracts.part import Part
from hansa.model.window import Dates

NAMES: Final = ("generalAvailability", "endOfSupport", "endOfLife")


def read_dates(contract: Part) -> Dates:
    """The dates that `slaProperties` say. What is no date, said twice, or out of order is reported with its line."""
    found: dict[str, tuple[datetime, Part]] = {}
    for item in contract.parts("slaProperties"):
        name = item.value.get("property")
        if name not in NAMES:
            continue
        if name in found:
            item.report("contract.window", f"{name} is said twice", "Keep one of them.", "property")
        elif (instant := _instant(item)) is not None:
            found[name] = (instant, item)
    for earlier, later in pairwise(name for name in NAMES if name in found):
        if found[later][0] < found[earlier][0]:
            message = f"{later} ({found[later][0]:%Y-%m-%d}) is before {earlier} ({found[earlier][0]:%Y-%m-%d})"
            found[later][1].report("contract.window", message, f"The order is {', '.join(NAMES)}.", "value")
    return Dates(*(found[name][0] if name in found else None for name in NAMES))


def _instant(item: Part) -> datetime | None:
    """A date (its first moment) or a time; without a zone it is in UTC."""
    value = item.value.get("value")
    try:
        if isinstance(value, str) and len(value) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        name = item.text("property")
        item.report("contract.window", f"{name} is {value!r}, not a date", "It reads like '2026-12-31'.", "value")
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
