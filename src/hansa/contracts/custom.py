"""What the standards cannot say, and Hansa needs: `customProperties` with `vendor: hansa`. This table declares
them: what it does not have is refused, and docs/reference/custom-properties.md is generated from it.

Both standards have them in one form, a list of `{property, value, vendor}`. Those of other vendors are kept as they
are and never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from hansa.contracts.part import VENDOR, Part
from hansa.errors import AuthorError
from hansa.model.product import CompatibilityMode, OnViolation, WireFormat
from hansa.model.window import Window
from hansa.sdk.triggers import seconds

PARTITIONS_MAX: Final = 256
ACTIONS: Final[dict[str, OnViolation]] = {"refuse": "refuse", "quarantine": "quarantine", "warn": "warn"}


@dataclass(frozen=True, slots=True)
class Custom:
    """One property: the shape of the standard that it stands `on`, its kind in the words of `standards.grammar`, what
    it means, and a value as an example. `told` ones are written by Hansa into what it exports, and not read."""

    on: str
    name: str
    kind: str
    meaning: str
    example: str
    told: bool = False


CUSTOM: Final = (
    Custom("contract", "orderingKey", "text|[text]",
           "Fields that order and identify records; without it, the primary key.", "[carrier, flight_number]"),
    Custom("contract", "subject", "text",
           "The field that names the person whose data a record is; its bodies are encrypted per person.", "passenger"),
    Custom("contract", "partitions", "integer", f"Partitions of the port, 1 to {PARTITIONS_MAX}; 1 without it.", "4"),
    Custom("contract", "retention", "text|number",
           "How long records are kept, before the SLA's `retention`; without both, for good.", "30d"),
    Custom("contract", "replay", "text|number",
           "How far back a consumer may count on reading again; without it, as far as records are kept.", "7d"),
    Custom("contract", "delivery", "=exactlyOnce,atLeastOnce",
           "What a consumer outside of Hansa may count on; `exactlyOnce` without it.", "atLeastOnce"),
    Custom("contract", "compatibility",
           "=BACKWARD,BACKWARD_TRANSITIVE,FORWARD,FORWARD_TRANSITIVE,FULL,FULL_TRANSITIVE,NONE",
           "Which changes a new version may make within its major, in Confluent's words; `FULL_TRANSITIVE` without it.",
           "BACKWARD"),
    Custom("contract", "wireFormat", "=avro,json,protobuf",
           "How records stand on the port's topic outside of Hansa, and in the schema registry; without it, Avro, or"
           " JSON where Avro cannot carry them.", "protobuf"),
    Custom("contract", "shield", "shield",
           "For how long the last good data may be served where an input is late (`staleAfter`) or gone (`limit`).",
           "{staleAfter: 1h, limit: 1d}"),
    Custom("contract", "window", "window",
           "The version window: the major that is served beside this one, and what translates between them, names of "
           "the product's translators or JSONata.",
           "{previous: 1, upgrade: from_minutes, downgrade: to_minutes}"),
    Custom("contract", "onViolation", "=refuse,quarantine,warn",
           "What becomes of a record that breaks the contract: its run is refused it (`refuse`, without it), it is set "
           "aside with the reason (`quarantine`), or it is published and counted (`warn`; the schema is never waived).",
           "quarantine"),
    Custom("contract", "batch", "=all,each",
           "Whether one bad record sets aside all that are published with it (`all`), or only itself (`each`).", "all"),
    Custom("quality", "onViolation", "=refuse,quarantine,warn",
           "What becomes of a record that breaks this rule; without it, what the `severity` (`info` and `warning` are "
           "`warn`) or the contract says.", "warn"),
    *(
        custom
        for on in ("objectRelationship", "propertyRelationship")
        for custom in (
            Custom(on, "port", "text",
                   "The id of the port that is referred to; without it, the one whose name or contract stands in `to`.",
                   "shop.customers/customers@1"),
            Custom(on, "onViolation", "=refuse,quarantine,warn",
                   "What becomes of a record that refers to none; without it, what the contract says.", "quarantine"),
            Custom(on, "enforced", "flag",
                   "`false` for a relationship that people and other tools read and Hansa does not check.", "false"),
        )
    ),
    Custom("property", "personal", "flag", "The field holds personal data, as `classification: personal` says, too.",
           "true"),
    Custom("property", "default", "any", "The value that readers take where a record leaves the field out.", "0"),
    Custom("product", "owner", "text", "The person or team that answers for the product; without it, the team's name.",
           "maren"),
    Custom("product", "connections", "any",
           "Names of the connections that its code uses; their values belong to the environment.", "[warehouse]"),
    Custom("product", "limits", "any", "What one worker of the product may use.", "{workers_max: 4}"),
    Custom("product", "revision", "text", "The revision that is live.", "3f0c9ab1d2e47788", told=True),
    Custom("input", "port", "text", "The id of the output port that the input port reads.",
           "operations.flights/departures@1"),
    Custom("input", "expects", "[mapping]",
           "What the consumer depends on, as properties of ODCS: fields with type, `required`, `enum` and limits. A"
           " change of the port is tried against it.", "[{name: delay_min, logicalTypeOptions: {maximum: 2000}}]"),
    Custom("output", "port", "text", "The id of the port, by which others read it.", "operations.flights/departures@1",
           told=True),
)  # fmt: skip

SHAPES: Final = {
    **{f"{VENDOR}:{on}": " ".join(f"{c.name}:{c.kind}" for c in CUSTOM if c.on == on) for on in {c.on for c in CUSTOM}},
    "shield": "staleAfter:text|number limit!:text|number",
    "window": "previous!:integer upgrade! downgrade!",
}
"""Shapes for a grammar: Hansa's properties of each shape that has some, and what their values hold."""


@dataclass(frozen=True, slots=True)
class Shield:
    """Seconds after which an input counts as late, None where being gone counts alone; and for how long the last good
    data may be served then."""

    stale_after_s: float | None
    limit_s: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract's custom properties say of its port. None: not said."""

    ordering_key: tuple[str, ...] = ()
    subject: str | None = None
    partitions: int = 1
    retention_s: float | None = None
    replay_s: float | None = None
    delivery: str = "exactlyOnce"
    compatibility: CompatibilityMode = CompatibilityMode.FULL_TRANSITIVE
    wire_format: WireFormat | None = None
    shield: Shield | None = None
    window: Window | None = None
    on_violation: OnViolation = "refuse"
    whole_batches: bool = False


def read_terms(contract: Part) -> Terms:
    """The terms in a contract; what cannot be meant is reported, with its line, and left out. Words and kinds are
    checked by the standard's grammar."""
    custom = contract.custom()
    return Terms(
        ordering_key=custom.texts("orderingKey"),
        subject=custom.text("subject") or None,
        partitions=_partitions(custom),
        retention_s=duration(custom, "retention", "contract.retention"),
        replay_s=duration(custom, "replay", "contract.replay"),
        delivery=custom.text("delivery", "exactlyOnce"),
        compatibility=_mode(custom.text("compatibility")),
        wire_format=_wire_format(custom.text("wireFormat")),
        shield=_shield(custom.mapping("shield")),
        window=_window(custom.mapping("window")),
        on_violation=ACTIONS.get(custom.text("onViolation"), "refuse"),
        whole_batches=custom.text("batch") == "all",
    )


def _mode(word: str) -> CompatibilityMode:
    return CompatibilityMode(word) if word in frozenset(CompatibilityMode) else CompatibilityMode.FULL_TRANSITIVE


def _wire_format(word: str) -> WireFormat | None:
    return cast("WireFormat", word) if word in get_args(WireFormat) else None


def _partitions(custom: Part) -> int:
    count = custom.number("partitions")
    if count is None:
        return 1
    if not 1 <= count <= PARTITIONS_MAX:
        custom.report("contract.partitions", f"partitions is {count}", f"Use 1 to {PARTITIONS_MAX}.", "partitions")
        return 1
    return count


def duration(part: Part, key: str, code: str) -> float | None:
    """Seconds, from a number or text such as `30d`; reports `code` where it is neither."""
    value = part.value.get(key)
    if value is None:
        return None
    try:
        return seconds(value)
    except (AuthorError, TypeError, ValueError):
        part.report(code, f"{key} is {value!r}", "Give seconds above 0, or text such as '30d'.", key)
        return None


def _shield(part: Part) -> Shield | None:
    limit_s = duration(part, "limit", "contract.shield")
    stale_s = duration(part, "staleAfter", "contract.shield")
    return None if limit_s is None else Shield(stale_s, limit_s)


def _window(part: Part) -> Window | None:
    previous = part.number("previous")
    if previous is None:
        return None
    if previous < 1:
        part.report("contract.window", f"previous is {previous}", "Give the major that is served, too.", "previous")
    return Window(previous, part.text("upgrade"), part.text("downgrade"))


def write_custom(data: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with Hansa's properties set to `values`, in their places where they stand and behind the others where
    not; a value of None takes its property away. `data` itself is left alone."""
    left = dict(values)
    items: list[Any] = []
    for item in data.get("customProperties") or ():
        is_ours = isinstance(item, dict) and item.get("vendor") == VENDOR and item.get("property") in values
        if not is_ours:
            items.append(item)
        elif (value := left.pop(item["property"], None)) is not None:
            items.append({**item, "value": value})
    items += [{"property": name, "value": v, "vendor": VENDOR} for name, v in left.items() if v is not None]
    rest = {key: value for key, value in data.items() if key != "customProperties"}
    return {**data, "customProperties": items} if items else rest
