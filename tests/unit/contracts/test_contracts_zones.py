"""A timestamp says its zone or has none, as its contract decides; the other kind is refused at the write."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.logical import Timestamp
from hansa.contracts.types import record_type
from hansa.model.product import ContractSpec, FieldSpec
from hansa.sdk.encode import ContractViolation, RecordEncoder

NAIVE = dt.datetime(2026, 1, 1, 9)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("options", "has_zone"),
    [
        ({}, False),
        ({"timezone": True}, True),
        ({"timezone": False}, False),
        ({"physicalType": "timestamptz"}, True),
        ({"physicalType": "TIMESTAMP WITH TIME ZONE"}, True),
        ({"physicalType": "timestamp(3)"}, False),
        ({"physicalType": "timestamptz", "timezone": False}, False),
    ],
)
def test_a_zone_is_wanted_or_refused_and_schemas_say_the_same(options: dict[str, Any], has_zone: bool) -> None:
    contract = ContractSpec("c", "1.0.0", (FieldSpec("at", "timestamp", required=True, options=options),))
    encoder = RecordEncoder("a.b/c@1", record_type("C", contract), ())
    right, wrong = (AWARE, NAIVE) if has_zone else (NAIVE, AWARE)
    assert encoder.encode([{"at": right}])
    with pytest.raises(ContractViolation) as refused:
        encoder.encode([{"at": wrong}])
    [found] = refused.value.violations
    word = "with a" if has_zone else "with no"
    assert (found.path, found.code) == ("at", "field.type")
    assert f"{word} timezone component" in found.message
    kind = record_of(contract).fields[0].type
    assert isinstance(kind, Timestamp)
    assert kind.has_zone is has_zone
