"""The seal of a generated `ports.py`: what it was made of, and its own text, as two short digests in its head.

So a contract that changed without `hansa sync`, and a change by hand, are both noticed before the product is loaded.
What a formatter changes (blanks, commas, quotes), and what only describes, is not part of either.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.model.product import FieldSpec, OutputPortSpec, ProductSpec
from hansa.sdk.finding import Finding, plan_error

PORTS_FILE: Final = "ports.py"
_SEAL: Final = re.compile(r"^Seal: ([0-9a-f]{12}) ([0-9a-f]{12})$", re.MULTILINE)
_CHARS: Final = 12
_FORMAT: Final = re.compile(r"[\s,\"'()]+")
_HINT: Final = "Run 'hansa sync': it writes ports.py anew."


def seal_of(spec: ProductSpec, text: str) -> str:
    """The line for the head of `ports.py`, of which `text` is all the rest."""
    return f"Seal: {_sources(spec)} {_text(text)}"


def check_seal(folder: Path, spec: ProductSpec) -> None:
    """Raises `PlanError("ports.stale")` where the folder's `ports.py` is not what `hansa sync` makes of its files.

    A change in a port of another product is none: who reads it is protected by its compatibility.
    """
    path = folder / PORTS_FILE
    if path.is_file() and (wrong := _wrong(path.read_text("utf-8", errors="replace"), spec)):
        raise plan_error([Finding("ports.stale", wrong, _HINT, PORTS_FILE)])


def _wrong(text: str, spec: ProductSpec) -> str | None:
    found = _SEAL.search(text)
    if found is None:
        return "ports.py was not written by this version of 'hansa sync'" if spec.outputs or spec.inputs else None
    if found[1] != _sources(spec):
        return "product.yaml or a contract has changed since ports.py was generated from it"
    if found[2] != _text(text[: found.start()] + text[found.end() :]):
        return "ports.py was changed by hand; it is generated"
    return None


def _sources(spec: ProductSpec) -> str:
    """Of all that types the author's code: the product's own ports, and which ports it reads under which names."""
    inputs = [(item.name, item.port) for item in spec.inputs]
    return _digest(msgspec.json.encode([[_port(port) for port in spec.outputs], inputs], order="deterministic"))


def _port(port: OutputPortSpec) -> list[Any]:
    contract = port.contract
    fields = [_field(field) for field in contract.fields]
    return [port.id, port.kind, port.partitions, contract.key, contract.subject, fields]


def _field(field: FieldSpec) -> list[Any]:
    inner = [None if one is None else _field(one) for one in (field.items, field.keys)]
    return [field.name, field.type, field.required, field.options, [_field(one) for one in field.fields], *inner]


def _text(text: str) -> str:
    return _digest(_FORMAT.sub("", text).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_CHARS]
