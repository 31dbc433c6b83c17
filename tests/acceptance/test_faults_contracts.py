"""Bad input of contracts, windows, translators, expectations and the registry: each is refused at the door with its
code, what is wrong and what to do, and nothing of it is served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from server import Refused, Server
from versions import BOTH, LEDGER, NEW, OLD, SCALE, ledger, scale

from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product

Spoil = Callable[[Path], None]
FILE = "contracts/weights@1.odcs.yaml"
BOMB = "tenant:\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9)
)  # fmt: skip


def text(old: str, new: str, file: str = FILE) -> Spoil:
    def spoil(folder: Path) -> None:
        found = (folder / file).read_text()
        assert old in found, found
        (folder / file).write_text(found.replace(old, new, 1))

    return spoil


def added(more: str, file: str = FILE) -> Spoil:
    return lambda folder: (folder / file).write_text((folder / file).read_text() + more)


def unnamed(folder: Path) -> None:
    text("name: kg", "name: no kg")(folder)
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))


BAD = {
    "a duplicate key": (added("id: again\n"), "yaml.duplicate_key", "Keep one"),
    "an anchor": (text("status: active", "status: &a active"), "yaml.anchor", "Write"),
    "an alias bomb": (added(BOMB), "yaml.anchor", "Write"),
    "an unquoted version": (text('version: "1.0.0"', "version: 1.10"), "yaml.unquoted", 'version: "1.10"'),
    "an unknown field": (added("stattus: active\n"), "field.unknown", "status"),
    "a regular expression that engines read differently": (
        text("- name: id\n", "- name: id\n        quality: [{metric: invalidValues, mustBe: 0, "
             "arguments: {pattern: 'a(?=b)'}}]\n"), "quality.pattern", "Write it without"),
    "a regular expression that is none": (
        text("- name: id\n", "- name: id\n        logicalTypeOptions: {pattern: '[A-Z'}\n"),
        "contract.option", "Correct pattern"),
    "a name that the format cannot carry": (unnamed, "schema.unrepresentable", ""),
}  # fmt: skip


def problem(server: Server, folder: Path, product: str = SCALE) -> dict[str, object]:
    with pytest.raises(Refused) as refused:
        server.deploy(folder, product)
    return refused.value.problem


@pytest.mark.parametrize("what", BAD)
def test_a_bad_contract_is_refused_with_a_code_and_a_hint(bench: Server, tmp_path: Path, what: str) -> None:
    spoil, code, hint = BAD[what]
    folder = scale(tmp_path / "one", wireFormat="avro")
    spoil(folder)
    before = live(bench)
    found = problem(bench, folder)["findings"]
    assert isinstance(found, list)
    codes = {finding["code"]: finding for finding in found}
    assert code in codes, found
    assert codes[code]["hint"], found
    assert hint in codes[code]["hint"]
    assert live(bench) == before


def live(server: Server) -> object:
    """What is live of the product; another test may have deployed it."""
    return server.http.get(f"/products/{SCALE}").json().get("revision")


TRANSLATORS = {
    "raises": ("weight.kg * 1000)", "weight.kg * 1000 // (weight.kg - 2))", "translator.raised"),
    "loses a field": ("Weight1(weight.id, weight.grams // 1000)", '{"id": weight.id}', "translator.contract"),
    "changes the key": ("Weight(weight.id, weight.kg", "Weight(weight.id.upper(), weight.kg", "translator.key"),
}  # fmt: skip


@pytest.mark.parametrize("what", TRANSLATORS)
def test_a_translator_that_does_not_do_is_refused_with_a_hint(bench: Server, tmp_path: Path, what: str) -> None:
    old, new, code = TRANSLATORS[what]
    assert old in BOTH
    refused = problem(bench, scale(tmp_path / "both", (1, 2), code=BOTH.replace(old, new)))
    assert (refused["code"], bool(refused["hint"])) == (code, True), refused


def test_a_window_whose_dates_contradict_is_refused_with_a_hint(bench: Server, tmp_path: Path) -> None:
    dates = {1: {"endOfLife": "2032-01-01"}, 2: {"generalAvailability": "2031-01-01"}}
    folder = scale(tmp_path / "both", (1, 2), dates=dates)
    text("2032-01-01", "2030-01-01")(folder)
    refused = problem(bench, folder)
    assert (refused["code"], refused["hint"]) == ("window.dates", "Change the dates of one of the two contracts.")
    assert f"{OLD} ends (2030-01-01) before {NEW} is available (2031-01-01)" in str(refused["detail"])


def test_an_expectation_that_is_wrong_itself_is_refused_at_its_own_plan(own: Server, tmp_path: Path) -> None:
    weights = scale(tmp_path / "one")
    own.deploy(weights, SCALE)
    folder = ledger(tmp_path / "ledger", 1, weights)
    vendor = "vendor: hansa\n"
    expects = vendor + "      - {property: expects, vendor: hansa, value: [{name: kilos, required: true}]}\n"
    text(vendor, expects, "product.yaml")(folder)
    refused = problem(own, folder, LEDGER)
    assert str(refused["code"]).startswith("expectation."), refused
    assert refused["hint"]
    assert "kilos" in str(refused["detail"])


def test_the_registry_refuses_unknown_ids_and_schemas_of_a_megabyte(bench: Server) -> None:
    unknown = bench.call("GET", "/schema-registry/schemas/ids/999999")
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, 40403)
    assert "another one" in unknown.json()["hint"]
    for size in (300_000, 1 << 20):
        large = bench.call("POST", "/schema-registry/subjects/large/versions", {"schema": '"' + "a" * size + '"'})
        assert (large.status_code, large.json()["hint"] is not None) == (413, True), large.text
    assert bench.call("GET", "/schema-registry/subjects/large/versions").json()["error_code"] == 40401
