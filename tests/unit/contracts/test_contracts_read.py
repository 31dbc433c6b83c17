"""ODPS and ODCS in: what is read, and that every refusal names file and line."""

from pathlib import Path

import pytest

from hansa.contracts.document import parse_document, read_document
from hansa.contracts.odcs import examine_contract, read_contract, read_contract_file
from hansa.contracts.odps import ProductReader, read_product
from hansa.contracts.write import yaml_text
from hansa.errors import PlanError
from hansa.model.product import CompatibilityMode, LimitSpec, Person, PortKind

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: departures
version: 1.2.0
status: active
description:
  purpose: Every departure.
schema:
  - name: departures
    properties:
      - name: carrier
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 2
        logicalTypeOptions:
          pattern: ^[A-Z0-9]{2}$
      - name: flight_id
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        classification: personal
      - name: delay_min
        physicalType: double
        quality: [{type: text, description: kept out}]
customProperties:
  - property: partitions
    value: 3
    vendor: hansa
  - property: subject
    value: carrier
    vendor: hansa
  - property: partitions
    value: 99
    vendor: somebody
slaProperties:
  - property: retention
    value: 2
    unit: days
"""

MAPS_AND_DEFAULTS = """\
apiVersion: v3.2.0
kind: DataContract
id: fees
version: 1.0.0
schema:
  - name: fees
    properties:
      - name: by_class
        logicalType: map
        map:
          key: {logicalType: integer}
          value: {logicalType: number, physicalType: "decimal(6, 2)"}
      - name: currency
        logicalType: string
        required: true
        customProperties:
          - {property: default, value: EUR, vendor: hansa}
          - {property: default, value: USD, vendor: somebody}
"""

PRODUCT = """\
apiVersion: v1.1.0
kind: DataProduct
id: operations.flights
name: Flights
version: v1.4.0
status: active
domain: operations
description:
  purpose: What flew.
tags: [flights, "2013"]
team:
  name: Flight operations
  members:
    - username: ada@example.org
      name: Ada
      role: owner
support:
  - channel: chat
    url: https://example.org/chat
outputPorts:
  - name: departures
    version: 1.2.0
    type: stream
    contractId: departures
inputPorts:
  - name: hours
    version: 1.0.0
    contractId: weather-hours
    customProperties:
      - property: port
        value: weather.hours/hourly@1
        vendor: hansa
customProperties:
  - property: connections
    value: [warehouse, mailbox]
    vendor: hansa
  - property: limits
    value: {workers_max: 4}
    vendor: hansa
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "departures@1.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "product.yaml").write_text(PRODUCT)
    (tmp_path / "requirements.txt").write_text("# ours\n\npolars>=1.0 # fast\nhttpx\n")
    return tmp_path


def refusals(folder: Path) -> list[tuple[str, str, int]]:
    with pytest.raises(PlanError) as refused:
        read_product(folder)
    return [(f["code"], f["file"], f["line"]) for f in refused.value.details["findings"]]


def change(folder: Path, old: str, new: str, file: str = "product.yaml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


def line_of(folder: Path, text: str, file: str = "product.yaml") -> int:
    return next(n for n, line in enumerate((folder / file).read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("kind", "limit", "is_read"),
    [
        ("date", "2024-01-31", True), ("date", "31.01.2024", False), ("date", 5, False),
        ("timestamp", "2024-01-31T08:00:00Z", True), ("timestamp", "2024-01-31", False),
        ("time", "08:00:00", True), ("time", "8 o'clock", False),
    ],
)  # fmt: skip
def test_limits_of_dates_and_times_are_values_of_the_type(
    tmp_path: Path,
    kind: str,
    limit: object,
    is_read: bool,
) -> None:
    path = tmp_path / "d.odcs.yaml"
    options = {"exclusiveMinimum": limit}
    schema = [{"name": "d", "properties": [{"name": "f", "logicalType": kind, "logicalTypeOptions": options}]}]
    path.write_text(
        yaml_text({"apiVersion": "v3.2.0", "kind": "DataContract", "id": "d", "version": "1.0.0", "schema": schema})
    )
    _, findings = examine_contract(path)
    assert ("contract.option" not in {finding.code for finding in findings}) == is_read


def test_a_product_is_read_whole(folder: Path) -> None:
    spec = read_product(folder)
    assert (spec.id, spec.name, spec.version, spec.owner) == (
        "operations.flights",
        "Flights",
        "1.4.0",
        "Flight operations",
    )
    assert (spec.description, spec.tags, spec.team) == (
        "What flew.", ("flights", "2013"), (Person("Ada", "owner", "ada@example.org"),)
    )  # fmt: skip
    assert spec.connections == ("warehouse", "mailbox")
    assert spec.limits == LimitSpec(workers_max=4)
    assert spec.requirements == ("polars>=1.0", "httpx")
    assert spec.support == ({"channel": "chat", "url": "https://example.org/chat"},)
    assert [(i.name, i.port) for i in spec.inputs] == [("hours", "weather.hours/hourly@1")]


def test_a_port_takes_from_its_contract(folder: Path) -> None:
    [port] = read_product(folder).outputs
    assert (port.id, port.kind, port.version) == ("operations.flights/departures@1", PortKind.STREAM, "1.2.0")
    assert (port.partitions, port.retention_s, port.description) == (3, 2 * 86400.0, "Every departure.")
    assert (port.contract.key, port.contract.subject) == (("flight_id", "carrier"), "carrier")
    fields = {field.name: field for field in port.contract.fields}
    assert (fields["delay_min"].type, fields["flight_id"].personal, fields["carrier"].personal) == (
        "number",
        True,
        False,
    )
    assert fields["carrier"].options == {"pattern": "^[A-Z0-9]{2}$"}


def test_a_contract_may_state_its_compatibility_mode(folder: Path) -> None:
    file = "contracts/departures@1.odcs.yaml"
    assert read_product(folder).outputs[0].contract.compatibility is CompatibilityMode.FULL_TRANSITIVE
    mode = "customProperties:\n  - property: compatibility\n    value: FORWARD\n    vendor: hansa"
    change(folder, "customProperties:", mode, file)
    assert read_product(folder).outputs[0].contract.compatibility is CompatibilityMode.FORWARD
    change(folder, "FORWARD", "FORWARDS", file)
    assert refusals(folder)[0] == ("field.choice", file, line_of(folder, "FORWARDS", file))


def test_a_contract_is_found_by_its_id_where_the_file_is_called_otherwise(folder: Path) -> None:
    (folder / "contracts" / "departures@1.odcs.yaml").rename(folder / "contracts" / "other.odcs.yaml")
    assert read_product(folder).outputs[0].contract.id == "departures"


def test_a_product_without_ports_is_legal(tmp_path: Path) -> None:
    (tmp_path / "product.yaml").write_text("apiVersion: v1.0.0\nkind: DataProduct\nid: a.b\nstatus: draft\n")
    assert read_product(tmp_path).outputs == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "at"),
    [
        ("id: operations.flights", "id: Flights", "product.id", "id: Flights"),
        ("domain: operations", "domain: sales", "product.domain", "domain: sales"),
        ("kind: DataProduct", "kind: Product", "product.kind", "kind: Product"),
        ("type: stream", "type: steam", "port.kind", "type: steam"),
        ("  - name: departures", "  - name: Departures!", "port.name", "Departures!"),
        ("contractId: departures", "contractId: departure", "contract.missing", "name: departures"),
        ("  - name: hours", "  - name: departures", "port.duplicate", "inputPorts"),
        ("value: weather.hours/hourly@1", "value: weather.hours", "port.id", "value: weather.hours"),
        ("        vendor: hansa\n", "        vendor: other\n", "port.input_unnamed", "name: hours"),
        ("{workers_max: 4}", "{worker_max: 4}", "limit.unknown", "worker_max"),
        ('tags: [flights, "2013"]', "tags: {a: 1}", "file.wrong_type", "tags"),
        ("  - channel: chat", "  - chat", "yaml.syntax", "url"),
        ("tags: [", "tags: &all [", "yaml.anchor", "tags"),
        ("version: v1.4.0", "id: again", "yaml.duplicate_key", "id: again"),
    ],
)
def test_a_mistake_in_the_product_is_named_with_its_line(folder: Path, old: str, new: str, code: str, at: str) -> None:
    change(folder, old, new)
    expected = line_of(folder, at) + (1 if at == "inputPorts" else 0)
    assert (code, "product.yaml", expected) in refusals(folder)


@pytest.mark.parametrize(
    ("old", "new", "code", "at"),
    [
        ("logicalType: string", "logicalType: sting", "contract.type_unknown", "sting"),
        ("version: 1.2.0", "version: first", "contract.version", "version: first"),
        ("apiVersion: v3.2.0", "apiVersion: v2.2.2", "contract.standard", "apiVersion"),
        ("value: carrier", "value: carier", "contract.field_unknown", "carier"),
        ("value: 3", "value: 0", "contract.partitions", "value: 0"),
        ("pattern: ^[A-Z0-9]{2}$", "pattern: '[A-Z'", "contract.option", "pattern"),
        ("- name: flight_id", "- name: carrier", "contract.field_duplicate", "- name: carrier"),
        ("required: true", "required: perhaps", "file.wrong_type", "required: perhaps"),
    ],
)
def test_a_mistake_in_a_contract_is_named_with_its_line(folder: Path, old: str, new: str, code: str, at: str) -> None:
    file = "contracts/departures@1.odcs.yaml"
    change(folder, old, new, file)
    lines = [n for n, line in enumerate((folder / file).read_text().splitlines(), 1) if at in line]
    assert (code, file, lines[-1]) in refusals(folder)


def test_all_findings_are_reported_together(folder: Path) -> None:
    change(folder, "type: stream", "type: steam")
    change(folder, "workers_max", "worker_max")
    change(folder, "value: 3", "value: 0", "contracts/departures@1.odcs.yaml")
    assert {code for code, _, _ in refusals(folder)} >= {"port.kind", "limit.unknown", "contract.partitions"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusals(tmp_path) == [("file.missing", "product.yaml", 0)]


def test_a_file_above_one_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("a: " + "x" * (1 << 20))
    with pytest.raises(PlanError) as refused:
        read_document(path)
    assert refused.value.code == "yaml.too_large"


def test_yaml_is_that_of_version_1_2() -> None:
    document = parse_document("country: NO\nat: 2013-01-01\nmode: 0o10\nratio: 1.5\nnone: ~\nyes: true", "x.yaml")
    assert document.data == {"country": "NO", "at": "2013-01-01", "mode": 8, "ratio": 1.5, "none": None, "yes": True}


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "- 1", "a: *b", "? [1]\n: 2", "a: [" * 200, "\t"])
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse_document(text, "x.yaml")
    assert refused.value.code.startswith("yaml.")


def test_an_explicit_ordering_key_goes_before_the_primary_key(folder: Path) -> None:
    file = folder / "contracts" / "departures@1.odcs.yaml"
    file.write_text(CONTRACT.replace("property: subject", "property: orderingKey"))
    assert read_contract(file).key == ("carrier",)
    assert read_contract(file).subject is None


def test_retention_of_hansa_goes_before_that_of_the_sla(folder: Path) -> None:
    file = folder / "contracts" / "departures@1.odcs.yaml"
    file.write_text(CONTRACT.replace("property: partitions\n    value: 3", "property: retention\n    value: 12h"))
    assert read_contract_file(file).retention_s == 12 * 3600


def test_a_product_is_parsed_again_only_where_its_files_changed(tmp_path):
    folder = tmp_path / "orders"
    (folder / "contracts").mkdir(parents=True)
    text = "apiVersion: v1.1.0\nkind: DataProduct\nid: shop.orders\nname: {}\nversion: 1.0.0\ndomain: shop\n"
    (folder / "product.yaml").write_text(text.format("Orders"))
    reader = ProductReader(kept_max=2)
    first = reader.read(folder)
    (folder / "product.py").write_text("changed = True")
    assert reader.read(folder) is first
    (folder / "requirements.txt").write_text("polars\n")
    assert reader.read(folder).spec.requirements == ("polars",)
    (folder / "product.yaml").write_text(text.format("More orders"))
    assert reader.read(folder).spec.name == "More orders"
    (folder / "product.yaml").write_text("kind: [")
    for _ in range(2):
        with pytest.raises(PlanError):
            reader.read(folder)


def test_maps_have_keys_and_values_and_properties_defaults(tmp_path: Path) -> None:
    (tmp_path / "fees.yaml").write_text(MAPS_AND_DEFAULTS)
    by_class, currency = read_contract(tmp_path / "fees.yaml").fields
    assert by_class.keys is not None
    assert by_class.items is not None
    assert (by_class.keys.type, by_class.items.options) == ("integer", {"physicalType": "decimal(6, 2)"})
    assert currency.options == {"default": "EUR"}
