"""Relationships of ODCS: both notations, what they come to within a product, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hansa.contracts.odcs import examine_contract
from hansa.contracts.odps import read_product
from hansa.contracts.write import yaml_text
from hansa.errors import PlanError
from hansa.model.product import ReferenceSpec

LETTERS = Path(__file__).parents[2] / "acceptance" / "products" / "letters"


def ours(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value, "vendor": "hansa"}


def read(
    tmp_path: Path, *whole: dict[str, Any], at: tuple[dict[str, Any], ...] = ()
) -> tuple[list[ReferenceSpec], list[str]]:
    properties = [
        {"name": "letter", "id": "letter_id", "logicalType": "string"},
        {"name": "buyer", "logicalType": "string", "relationships": list(at)},
        {"name": "place", "id": "place_id", "logicalType": "object",
         "properties": [{"name": "town", "id": "town_id", "logicalType": "string"}]},
    ]  # fmt: skip
    schema = [{"name": "letters", "id": "letters_id", "properties": properties, "relationships": list(whole)}]
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "l", "version": "1.0.0", "schema": schema}
    path = tmp_path / "letters.odcs.yaml"
    path.write_text(yaml_text(document))
    found, findings = examine_contract(path)
    assert all(finding.line > 0 for finding in findings)
    return list(found.spec.references), [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("to", "target", "path"),
    [
        ("people.name", "people", "name"),
        ("/schema/people_tbl/properties/name", "people_tbl", "name"),
        ("../x/people.odcs.yaml#/schema/p/properties/name/properties/first", "people", "name.first"),
        ("https://example.org/shop-people.yaml#schema/p/properties/name", "shop-people", "name"),
        ("letters.letter", "", "letter"),
        ("schema/letters_id/properties/letter_id", "", "letter"),
        ("schema/letters_id/properties/place_id/properties/town_id", "", "place.town"),
    ],
)
def test_both_notations_say_where_a_property_leads(tmp_path: Path, to: str, target: str, path: str) -> None:
    [found], findings = read(tmp_path, at=({"to": to},))
    assert findings == []
    assert (found.fields, found.target, found.to) == (("buyer",), target, (path,))
    assert (found.id, found.port, found.action) == ("buyer.foreignKey", "", None)


def test_a_composite_reference_has_pairs_an_id_a_port_and_an_action(tmp_path: Path) -> None:
    custom = [ours("port", "post.people/people@2"), ours("onViolation", "warn")]
    [found], findings = read(
        tmp_path,
        {"id": "sent to", "from": ["letters.place.town", "letters.buyer"], "to": ["p.town", "p.name"],
         "customProperties": custom},
    )  # fmt: skip
    assert findings == []
    assert found == ReferenceSpec(
        "sent to", ("place.town", "buyer"), ("town", "name"), "post.people/people@2", action="warn"
    )


def test_what_is_not_enforced_and_what_is_twice(tmp_path: Path) -> None:
    found, findings = read(
        tmp_path, at=({"to": "a.b", "customProperties": [ours("enforced", value=False)]}, {"to": "c.d"}, {"to": "e.f"})
    )
    assert (findings, [one.id for one in found]) == ([], ["buyer.foreignKey", "buyer.foreignKey#2"])


@pytest.mark.parametrize(
    ("relationship", "code"),
    [
        ({"from": "letters.buyer", "to": "people"}, "relationship.place"),
        ({"from": ["letters.buyer"], "to": ["people.name", "people.town"]}, "relationship.pairs"),
        ({"from": ["letters.buyer", "letters.letter"], "to": ["people.name", "towns.town"]}, "relationship.targets"),
        ({"from": "letters.byer", "to": "people.name"}, "contract.field_unknown"),
        ({"from": "other.buyer", "to": "people.name"}, "contract.field_unknown"),
    ],
)
def test_what_says_nothing_that_can_be_followed_is_refused(
    tmp_path: Path, relationship: dict[str, Any], code: str
) -> None:
    assert read(tmp_path, relationship) == ([], [code])


def test_a_product_says_which_ports_are_meant() -> None:
    letters, stamps = read_product(LETTERS).outputs
    [own] = stamps.contract.references
    assert (own.port, own.to) == ("post.letters/letters@1", ("letter",))
    someone, answers = letters.contract.references
    assert (someone.port, someone.fields, someone.to) == (
        "post.people/people@1", ("house", "town"), ("number", "town"),
    )  # fmt: skip
    assert (answers.port, answers.action) == ("post.letters/letters@1", "quarantine")


def test_a_port_that_the_product_does_not_have_is_refused(tmp_path: Path) -> None:
    for path in (LETTERS / "product.yaml", *(LETTERS / "contracts").iterdir()):
        target = tmp_path / path.relative_to(LETTERS)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text().replace("people.", "peeple."))
    product = tmp_path / "product.yaml"
    product.write_text(product.read_text().replace("peeple.", "people."))
    with pytest.raises(PlanError) as refused:
        read_product(tmp_path)
    [finding] = refused.value.details["findings"]
    assert (finding["code"], finding["file"]) == ("relationship.port", "contracts/letters@1.odcs.yaml")
    assert "people" in finding["hint"]
