"""What a trigger is called, so that it stays the same one wherever it stands among the others of its process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hansa.model.product import (
    EventTrigger,
    HttpTrigger,
    KafkaTrigger,
    OnceTrigger,
    PortTrigger,
    ScheduleTrigger,
    Trigger,
)


def trigger_names(triggers: Iterable[Trigger]) -> tuple[str, ...]:
    """The name of each trigger of a process: its kind and what tells it from others of its kind.

    `http:POST /orders`, `port:shop.orders/orders@1`, `event:order.placed`, `kafka:warehouse/orders`,
    `schedule:0 6 * * * UTC`, `schedule:every 300`, `once`, `once:2026-12-24T18:00:00Z`, `manual`. Where several have
    one name, the later ones end in `~2`, `~3`.
    The registry's migration 0002 makes the same names in SQL.
    """
    seen: Counter[str] = Counter()
    names: list[str] = []
    for trigger in triggers:
        what = _what(trigger)
        name = f"{trigger.kind}:{what}" if what else trigger.kind
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return tuple(names)


def _what(trigger: Trigger) -> str:
    match trigger:
        case HttpTrigger():
            return f"{trigger.method} {trigger.path}"
        case PortTrigger():
            return trigger.port
        case EventTrigger():
            return trigger.name
        case KafkaTrigger():
            return trigger.source
        case ScheduleTrigger():
            return f"{trigger.cron} {trigger.timezone}" if trigger.cron else f"every {_number(trigger.every_s or 0.0)}"
        case OnceTrigger():
            return trigger.at or ""
        case _:
            return ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
