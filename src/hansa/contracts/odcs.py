"""ODCS 3.x in: the part of a data contract that decides at run time. The rest stays in the document.

What ODCS cannot say stands in `customProperties` with `vendor: hansa` (`hansa.contracts.custom`). What it does not
allow is a finding, too (`hansa.contracts.standards`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.contracts.custom import Terms, read_terms
from hansa.contracts.dates import read_dates
from hansa.contracts.document import Document, read_document
from hansa.contracts.part import Part
from hansa.contracts.quality.limits import BROKEN, TYPES, limit_of
from hansa.contracts.quality.read import read_rules
from hansa.contracts.quality.references import read_references
from hansa.contracts.standards.check import check_document, merged
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.types import python_name
from hansa.model.ids import did_you_mean
from hansa.model.product import ContractSpec, FieldSpec
from hansa.sdk.finding import Finding, plan_error

LOGICAL_TYPES: Final = frozenset(
    ["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector"]
)
_PHYSICAL: Final = (
    (r"(big|small|tiny)?int(eger|\d+)?|long|short|u?int\d+|serial", "integer"),
    (r"double( precision)?|float\d*|real|number|numeric|decimal|money", "number"),
    (r"bool(ean)?|bit", "boolean"),
    (r"date", "date"),
    (r"(timestamp|datetime)\w*( with(out)? time zone)?", "timestamp"),
    (r"time(tz)?( with(out)? time zone)?", "time"),
    (r"(n?var)?char\d*|text|string|uuid|clob|character varying", "string"),
    (r"json|struct|record|object|variant", "object"),
    (r"array|list", "array"),
)
_LENGTHS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_RANGES: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_VERSION: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-+].*)?")
_UNITS: Final = {"s": 1, "second": 1, "m": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_LONG_UNITS: Final = {"w": 7 * 86400, "week": 7 * 86400, "month": 30 * 86400, "y": 365 * 86400, "year": 365 * 86400}


@dataclass(frozen=True, slots=True)
class ContractFile:
    """A contract, the document that says it, and what that says about the port that keeps it. `retention_s` None keeps
    everything."""

    spec: ContractSpec
    document: Document
    terms: Terms
    retention_s: float | None

    @property
    def file(self) -> str:
        """What findings call it: its path in the product's folder."""
        return self.document.file


def read_contract(path: Path) -> ContractSpec:
    """The contract in an ODCS file; raises `PlanError` with every finding, each with file and line."""
    return read_contract_file(path).spec


def read_contract_file(path: Path, file: str | None = None) -> ContractFile:
    """As `read_contract`, with what the file says about its port. `file` is what findings call it."""
    found, findings = examine_contract(path, file)
    if findings:
        raise plan_error(findings)
    return found


def examine_contract(path: Path, file: str | None = None) -> tuple[ContractFile, list[Finding]]:
    """The contract as far as it can be read, and all that is wrong with it. Raises `PlanError` where the file is no
    YAML that is read at all."""
    return _examined(read_document(path, file))


def contract_of(document: Document) -> ContractFile:
    """The contract that a document says; raises `PlanError` with every finding."""
    found, findings = _examined(document)
    if findings:
        raise plan_error(findings)
    return found


def _examined(document: Document) -> tuple[ContractFile, list[Finding]]:
    findings: list[Finding] = []
    found = _contract(Part.of(document, findings))
    return found, merged(check_document(document, ODCS), findings)


def _contract(part: Part) -> ContractFile:
    part.choice("kind", ["DataContract"], "DataContract", "contract.kind")
    standard = part.required("apiVersion", "For example 'apiVersion: v3.2.0'.")
    if standard and major_of(standard) != 3:
        part.report("contract.standard", f"apiVersion {standard} is not ODCS 3", "Use 'v3.2.0'.", "apiVersion")
    objects = part.parts("schema")
    fields = _fields(objects[0]) if objects else ()
    custom, terms = part.custom(), read_terms(part)
    spec = ContractSpec(
        id=part.required("id", "Any text that is unique, for example 'departures'."),
        version=_version(part),
        fields=fields,
        key=_known("orderingKey", terms.ordering_key, custom, fields) or _primary_key(fields),
        description=_description(part) or (objects[0].text("description") if objects else ""),
        status=part.text("status", "active"),
        subject=next(iter(_known("subject", (terms.subject,) if terms.subject else (), custom, fields)), None),
        compatibility=terms.compatibility,
        wire_format=terms.wire_format,
        rules=read_rules(objects[0], fields) if objects else (),
        references=read_references(objects[0]) if objects else (),
        on_violation=terms.on_violation,
        whole_batches=terms.whole_batches,
        dates=read_dates(part),
        window=terms.window,
        on_kafka=any(server.text("type") == "kafka" for server in part.parts("servers")),
    )
    return ContractFile(spec, part.document, terms, terms.retention_s or _retention(part))


def _version(part: Part) -> str:
    text = part.required("version", "A semantic version, for example '1.0.0'.")
    return normal_version(text) or (_misversioned(part, text) if text else "0.0.0")


def _misversioned(part: Part, text: str) -> str:
    part.report("contract.version", f"{text!r} is not a semantic version", "It reads like '1.0.0'.", "version")
    return "0.0.0"


def normal_version(text: str) -> str | None:
    """`v1` and `1.0` as `1.0.0`; None where the text is no version."""
    match = _VERSION.fullmatch(text)
    return ".".join(group or "0" for group in match.groups()) if match else None


def major_of(version: str) -> int | None:
    """The major of a version, or None where the text is no version."""
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match else None


def _description(part: Part) -> str:
    """ODCS 3 has `description.purpose`; text alone is taken, too."""
    value = part.value.get("description")
    return value.strip() if isinstance(value, str) else part.mapping("description").text("purpose")


def _fields(part: Part) -> tuple[FieldSpec, ...]:
    found: dict[str, FieldSpec] = {}
    for item in part.parts("properties"):
        name = item.required("name", "Every property has a name.")
        if any(python_name(name) == python_name(other) for other in found):
            message = f"Two properties are called {python_name(name)!r} in code"
            item.report("contract.field_duplicate", message, "Rename one of them.", "name")
        found[name] = read_field(item, name)
    return tuple(found.values())


def read_field(part: Part, name: str) -> FieldSpec:
    """A property of ODCS; what cannot be read of it is reported, and left out."""
    kind = _logical_type(part)
    return FieldSpec(
        name=name,
        type=kind,
        required=part.flag("required"),
        description=part.text("description"),
        personal=part.text("classification").lower() == "personal" or part.custom().flag("personal"),
        unique=part.flag("unique"),
        primary_key_position=_key_position(part),
        fields=_fields(part) if kind == "object" else (),
        items=_inner(part.mapping("items"), name) if kind == "array" else _inner(_map(part, kind, "value"), name),
        keys=_inner(_map(part, kind, "key"), name),
        options=_options(part, kind),
    )


def _map(part: Part, kind: str, side: str) -> Part:
    """What ODCS 3.2 says of a map's keys or values (RFC 0030); empty for other types."""
    return part.mapping("map").mapping(side) if kind == "map" else Part(part.document, part.findings, {}, part.place)


def _inner(part: Part, name: str) -> FieldSpec | None:
    return read_field(part, part.text("name", name)) if part.value else None


def _logical_type(part: Part) -> str:
    if "logicalType" in part.value:
        return part.choice("logicalType", LOGICAL_TYPES, "any", "contract.type_unknown")
    found = type_of_physical(part.text("physicalType"))
    return "object" if found == "any" and "properties" in part.value else found


def type_of_physical(text: str) -> str:
    """The logicalType of a database's or language's type such as `varchar(10)`; `any` where it tells none."""
    physical = " ".join(re.sub(r"\(.*\)|<.*>", "", text).lower().split())
    return next((logical for pattern, logical in _PHYSICAL if re.fullmatch(pattern, physical)), "any")


def _key_position(part: Part) -> int | None:
    if not part.flag("primaryKey"):
        return None
    position = part.number("primaryKeyPosition")
    return position if position is not None and position > 0 else 0


def _options(part: Part, kind: str) -> dict[str, Any]:
    """`logicalTypeOptions`, and beside them what else decides the type: `physicalType`, the values of `enum`, Hansa's
    own `default`; and `examples`, which decide nothing."""
    options = _checked_options(part.mapping("logicalTypeOptions"), kind)
    if physical := part.text("physicalType"):
        options["physicalType"] = physical
    if isinstance(listed := part.value.get("enum"), list):
        options["enum"] = [item.get("value") if isinstance(item, dict) else item for item in listed]
    if encrypted := part.text("encryptedName"):
        options["encryptedName"] = encrypted
    if isinstance(examples := part.value.get("examples"), list) and examples:
        options["examples"] = examples
    if (default := part.custom().value.get("default")) is not None:
        options["default"] = default
    return options


def _checked_options(part: Part, kind: str) -> dict[str, Any]:
    """The options; those that no value could be checked against are reported and left out."""
    found = dict(part.value)
    for name, value in part.value.items():
        if (wrong := _wrong_option(name, value, kind)) is not None:
            part.report("contract.option", f"{name} is {value!r}: {wrong}", f"Correct {name}, or leave it out.", name)
            del found[name]
    return found


def _wrong_option(name: str, value: object, kind: str) -> str | None:
    """Why an option cannot be what the contract means by it, or None."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if name in _LENGTHS:
        return None if isinstance(number, int) and number >= 0 else "not a length"
    if name in _RANGES and kind in ("integer", "number"):
        return None if number is not None and (name != "multipleOf" or number > 0) else "not such a number"
    if name in BROKEN and kind in TYPES:
        return _wrong_limit(value, kind)
    if name == "enum":
        return None if isinstance(value, list) and value else "not a list of values"
    return _wrong_pattern(value) if name == "pattern" else None


def _wrong_limit(value: object, kind: str) -> str | None:
    try:
        limit_of(value, kind)
    except msgspec.ValidationError:
        return f"not a {kind} as in RFC 3339"
    return None


def _wrong_pattern(value: object) -> str | None:
    try:
        re.compile(str(value))
    except re.error as failure:
        return str(failure)
    return None


def _primary_key(fields: tuple[FieldSpec, ...]) -> tuple[str, ...]:
    keyed = [(field.primary_key_position, field.name) for field in fields if field.primary_key_position is not None]
    return tuple(name for _, name in sorted(keyed, key=lambda pair: pair[0]))


def _known(name: str, names: tuple[str, ...], custom: Part, fields: tuple[FieldSpec, ...]) -> tuple[str, ...]:
    """The fields that a custom property names; those that do not exist are reported."""
    known = [field.name for field in fields]
    for wrong in (wanted for wanted in names if wanted not in known):
        hint = did_you_mean(wrong, known) or f"The schema has {', '.join(known) or 'no properties'}."
        custom.report("contract.field_unknown", f"{name} names {wrong!r}, which the schema does not have", hint, name)
    return tuple(wanted for wanted in names if wanted in known)


def _retention(part: Part) -> float | None:
    """Seconds that the SLA's `retention` says (ODCS section slaProperties)."""
    for item in part.parts("slaProperties"):
        value, unit = item.value.get("value"), item.text("unit", "d").lower()
        size = {**_UNITS, **_LONG_UNITS}.get(unit) or {**_UNITS, **_LONG_UNITS}.get(unit.removesuffix("s"))
        if item.text("property") == "retention" and size and isinstance(value, int | float):
            return float(value) * size
    return None
