"""What the standards cannot say: read into terms, written beside what others put there, refused where it means
nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hansa.contracts.custom import CUSTOM, Shield, Terms, write_custom
from hansa.contracts.odcs import read_contract_file
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.standards.odps import ODPS
from hansa.contracts.write import yaml_text
from hansa.errors import PlanError
from hansa.model.window import Dates, Window

CONTRACT = {
    "apiVersion": "v3.2.0", "kind": "DataContract", "id": "orders", "version": "1.0.0",
    "schema": [{"name": "orders", "properties": [{"name": "id", "logicalType": "string", "required": True}]}],
}  # fmt: skip


def written(folder: Path, custom: dict[str, object], dates: dict[str, object] | None = None) -> Path:
    path = folder / "orders.odcs.yaml"
    promises = [{"property": name, "value": value} for name, value in (dates or {}).items()]
    path.write_text(yaml_text({**write_custom(CONTRACT, custom), "slaProperties": promises}))
    return path


def test_all_terms_are_read(tmp_path: Path) -> None:
    said = {
        "orderingKey": ["id"], "subject": "id", "partitions": 4, "retention": "30d", "replay": 3600,
        "delivery": "atLeastOnce", "compatibility": "FULL_TRANSITIVE", "wireFormat": "protobuf",
        "shield": {"staleAfter": "1h", "limit": "1d"}, "window": {"previous": 1, "upgrade": "up", "downgrade": "down"},
        "onViolation": "quarantine", "batch": "all",
    }  # fmt: skip
    assert {*said} == {custom.name for custom in CUSTOM if custom.on == "contract"}
    found = read_contract_file(written(tmp_path, said))
    assert found.terms == Terms(
        ("id",), "id", 4, 30 * 86400.0, 3600.0, "atLeastOnce", "FULL_TRANSITIVE", "protobuf", Shield(3600.0, 86400.0),
        Window(1, "up", "down"), "quarantine", True,
    )  # fmt: skip
    assert found.spec.wire_format == "protobuf"
    assert (found.spec.key, found.spec.subject, found.retention_s) == (("id",), "id", 30 * 86400.0)


def test_nothing_said_is_the_default(tmp_path: Path) -> None:
    found = read_contract_file(written(tmp_path, {}))
    assert (found.terms, found.spec.dates, found.retention_s) == (Terms(), Dates(), None)
    assert (Terms().compatibility, Terms().delivery, Terms().partitions) == ("FULL_TRANSITIVE", "exactlyOnce", 1)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("partitions", 0, "contract.partitions"),
        ("partitions", "four", "file.wrong_type"),
        ("retention", "soon", "contract.retention"),
        ("replay", -1, "contract.replay"),
        ("shield", {"staleAfter": "1h"}, "file.key_missing"),
        ("shield", {"limit": "never"}, "contract.shield"),
        ("shield", {"limit": "1d", "until": 1}, "field.unknown"),
        ("window", {"previous": 0, "upgrade": "up", "downgrade": "down"}, "contract.window"),
        ("window", {"previous": 1, "upgrade": "up"}, "file.key_missing"),
        ("delivery", "maybe", "field.choice"),
        ("compatibility", "BACKWARDS", "field.choice"),
        ("wireFormat", "xml", "field.choice"),
        ("orderingKey", ["id", "idd"], "contract.field_unknown"),
        ("subject", "idd", "contract.field_unknown"),
        ("ordering_key", "id", "custom.unknown"),
    ],
)
def test_what_means_nothing_is_refused_at_its_line(tmp_path: Path, name: str, value: object, code: str) -> None:
    path = written(tmp_path, {name: value})
    with pytest.raises(PlanError) as refused:
        read_contract_file(path)
    begin = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if f"property: {name}" in line)
    found = refused.value.details["findings"]
    assert code in [f["code"] for f in found if begin <= f["line"] <= begin + 6], found


def test_dates_are_read_in_utc(tmp_path: Path) -> None:
    said = {"generalAvailability": "2026-01-01", "endOfSupport": "2026-06-01T12:00:00+02:00"}
    dates = read_contract_file(written(tmp_path, {}, said)).spec.dates
    assert dates.general_availability == datetime(2026, 1, 1, tzinfo=UTC)
    assert dates.end_of_support == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert dates.end_of_life is None


@pytest.mark.parametrize(
    "said",
    [
        {"endOfSupport": "2026-06-01", "endOfLife": "2026-05-31"},
        {"generalAvailability": "2027-01-01", "endOfLife": "2026-05-31"},
        {"endOfLife": "next year"},
        {"endOfLife": 2026},
    ],
)
def test_dates_that_contradict_or_are_none_are_refused(tmp_path: Path, said: dict[str, object]) -> None:
    with pytest.raises(PlanError) as refused:
        read_contract_file(written(tmp_path, {}, said))
    assert refused.value.code == "contract.window"


def test_writing_keeps_the_place_and_what_others_wrote() -> None:
    theirs = {"property": "partitions", "value": 9, "vendor": "somebody"}
    ours = {"property": "partitions", "value": 1, "vendor": "hansa", "description": "few"}
    data = {"id": "a", "customProperties": [ours, theirs]}
    assert write_custom(data, {"partitions": 2, "subject": "id"})["customProperties"] == [
        {**ours, "value": 2}, theirs, {"property": "subject", "value": "id", "vendor": "hansa"},
    ]  # fmt: skip
    assert write_custom(data, {"partitions": None})["customProperties"] == [theirs]
    assert write_custom({"id": "a", "customProperties": [ours]}, {"partitions": None}) == {"id": "a"}
    assert data == {"id": "a", "customProperties": [ours, theirs]}


def test_every_property_stands_on_a_shape_of_a_standard() -> None:
    assert {custom.on for custom in CUSTOM} <= {*ODCS.shapes, *ODPS.shapes}
    assert len({(custom.on, custom.name) for custom in CUSTOM}) == len(CUSTOM)
