"""The JSON Schema of a port's records as documents have it: what readers may rely on, with the contract's examples."""

from __future__ import annotations

from typing import Any

from hansa.contracts.schemas import json_schema
from hansa.contracts.schemas.contract import record_of
from hansa.errors import AuthorError
from hansa.model.product import ContractSpec, FieldSpec


def record_schema(contract: ContractSpec) -> dict[str, Any]:
    """The schema, open for readers; of a contract that no schema can be derived from, only what it is called."""
    try:
        record = record_of(contract)
    except AuthorError as refusal:
        return {"title": contract.id, "description": f"{contract.description} ({refusal.message})".strip()}
    found = json_schema.derive(record, model="open")
    del found["$schema"]
    _add_examples(found, contract.fields)
    return found


def _add_examples(schema: dict[str, Any], fields: tuple[FieldSpec, ...]) -> None:
    """Sets `examples` of each property that has some in the contract, at any depth."""
    for field in fields:
        own = schema["properties"][field.name]
        if examples := field.options.get("examples"):
            own["examples"] = list(examples)
        if field.fields:
            _add_examples(own, field.fields)
        if field.items is not None and field.items.fields:
            _add_examples(own.get("items") or own["additionalProperties"], field.items.fields)
