"""Stock registry clients against a running Hansa: confluent-kafka (Python), @confluentinc/schemaregistry and
@kafkajs/confluent-schema-registry (JavaScript). Nothing of Hansa is in them but an address and a token."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, running
from strangers import node_modules, stranger
from wires import FORMATS, MOVES, RECORDS, UNITS, WIRES, moves, wires

HERE = Path(__file__).parent
CONFLUENT = "confluent-kafka[schemaregistry,avro,json,protobuf,rules]==2.16.0"
Client = Callable[..., Any]

pytestmark = pytest.mark.slow


class Refused(Exception):
    """What the client raised."""


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Hansa with a port in each format, and with ports that have two majors with JSONata between them."""
    folder = tmp_path_factory.mktemp("air")
    with running(folder / "data") as server:
        server.deploy(wires(folder / "wires"), WIRES)
        server.call("POST", "/air/wires/publish", RECORDS).raise_for_status()
        server.deploy(moves(folder / "moves", 1), MOVES)
        server.deploy(moves(folder / "moves", 1, 2), MOVES)
        yield server


@pytest.fixture(scope="module")
def client(air: Server) -> Client:
    """A task of `registry_client.py`, by the stock Python client."""
    python = stranger(CONFLUENT) / "python"
    return lambda task, **given: _asked(air, [python, HERE / "registry_client.py"], task, given)


@pytest.fixture(scope="module")
def script(air: Server) -> Client:
    """A task of `registry_client.js`, by the stock JavaScript clients."""
    modules = node_modules("@confluentinc/schemaregistry@1.10.1", "@kafkajs/confluent-schema-registry@4.1.0")
    return lambda task, **given: _asked(air, ["node", HERE / "registry_client.js", modules], task, given)


def _asked(air: Server, command: list[Any], task: str, given: dict[str, Any]) -> Any:
    done = subprocess.run(
        [*command, air.url, air.token, task, json.dumps(given)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    if "error" in told:
        raise Refused(told)
    return told["result"]


def topic(port: str, major: int = 1, product: str = "moves") -> str:
    return f"air-{product}-{port}-v{major}"


def schema_id(air: Server, subject: str) -> int:
    return int(air.http.get(f"/schema-registry/subjects/{subject}/versions/latest").json()["id"])


@pytest.mark.parametrize(("port", "form"), FORMATS.items())
def test_records_of_a_port_come_through_stock_serialisers(air: Server, client: Client, port: str, form: str) -> None:
    records = air.records(f"{WIRES}/{port}@1")
    assert [record["trip_id"] for record in records] == ["a", "b"]
    name = topic(port, product="wires")
    found = client("round_trip", form=form, topic=name, records=records)
    head = b"\0" + schema_id(air, f"{name}-value").to_bytes(4, "big")
    assert all(bytes.fromhex(data).startswith(head) for data, _ in found)
    assert [same_times(value) for _, value in found] == [same_times(record) for record in records]


def same_times(record: dict[str, Any]) -> dict[str, Any]:
    """Clients write fractions of a second with three or six digits."""
    moment = record["landed_at"]
    return {**record, "landed_at": moment.rstrip("Z").rstrip("0").rstrip(".") if "." in moment else moment[:-1]}


ONE, TWO = {"id": "a", "minutes": 2}, {"id": "a", "seconds": 120}
PINNED = {major: {"use.latest.with.metadata": {"major_version": str(major)}} for major in UNITS}
LATEST = {"use.latest.version": True}


@pytest.mark.parametrize(("port", "form"), [("drives", "avro"), ("walks", "json")])
def test_consumers_of_either_major_read_records_of_both(client: Client, port: str, form: str) -> None:
    def case(of: int, written: int, record: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
        given = {"form": form, "topic": topic(port, of), "written": str(written), "record": record}
        return {**given, "read": settings}

    cases = {
        "an old consumer reads new records": (case(2, 2, TWO, PINNED[1]), ONE),
        "a new consumer reads old records": (case(1, 1, ONE, PINNED[2]), TWO),
        "a record written before is read with the rest of the topic": (case(2, 1, ONE, LATEST), TWO),
        "who asks for nothing more keeps its major": (case(1, 1, ONE, LATEST), ONE),
    }
    found = client("read_as", cases=[given for given, _ in cases.values()])
    assert dict(zip(cases, found, strict=True)) == {name: expected for name, (_, expected) in cases.items()}


def test_where_no_jsonata_leads_a_client_fails_and_says_what_to_read(client: Client) -> None:
    """Without a rule it would take minutes for seconds where it does not miss a field."""
    given = {"form": "avro", "topic": topic("rides", 2), "written": "2", "record": TWO}
    with pytest.raises(Refused, match=topic("rides", 1)):
        client("read_as", cases=[{**given, "read": PINNED[1]}])
    assert client("read_as", cases=[{**given, "read": LATEST}]) == [TWO]


def test_what_tools_ask_is_answered(client: Client) -> None:
    found = client("lookups", topic=topic("drives", 1))
    assert found == {
        "subjects": [f"{topic('drives', 1)}-key", f"{topic('drives', 1)}-value"],
        "versions": [1, 2],
        "same": True,
        "by_id": [f"{topic('drives', 1)}-value"],
        "compatible": True,
        "level": "FULL_TRANSITIVE",
        "mode": "READONLY",
        "types": ["AVRO", "JSON", "PROTOBUF"],
        "contexts": found["contexts"],
    }
    assert "." in found["contexts"]


def test_a_context_parts_subjects_of_one_name(client: Client) -> None:
    found = client("in_context", subject="shared")
    assert found == {"read": ['"string"', '"long"'], "same": True, "contexts": [".", ".apart"]}


def test_schemas_that_refer_to_others_are_kept_with_their_references(client: Client) -> None:
    names = {"AVRO": "ref.Inner", "JSON": "inner.json", "PROTOBUF": "inner.proto"}
    assert client("referring", prefix="referring") == {
        kind: [True, [[name, f"referring-{kind.lower()}-inner", 1]], True] for kind, name in names.items()
    }


@pytest.mark.parametrize(
    ("subject", "schema", "times", "status", "code"),
    [
        ("air-moves-drives-v1-value", '"string"', 1, 409, 409),
        ("free-value", '{"type": "nothing"}', 1, 422, 42201),
        ("large-value", "0123456789ABCDEF", 1 << 15, 413, 413),
        ("huge-value", "0123456789ABCDEF", 1 << 17, 413, 413),
    ],
)
def test_what_cannot_be_registered_is_refused_with_the_codes_of_the_protocol(
    client: Client, subject: str, schema: str, times: int, status: int, code: int
) -> None:
    with pytest.raises(Refused) as refused:
        client("register", subject=subject, schema=schema, times=times)
    told = refused.value.args[0]
    assert (told["http_status_code"], told["error_code"]) == (status, code)


def test_a_client_in_javascript_writes_and_reads_records_of_a_port(air: Server, script: Client) -> None:
    name = topic("drives")
    number = schema_id(air, f"{name}-value")
    assert script("kafkajs", subject=f"{name}-value", record=ONE) == [number, ONE]
    read: tuple[dict[str, Any], ...] = ({}, {"useLatestWithMetadata": {"major_version": "1"}})
    ports = (("drives", "avro"), ("walks", "json"))
    cases = [
        {"form": form, "topic": topic(port, 2), "record": TWO, "read": settings}
        for port, form in ports
        for settings in read
    ]
    assert script("confluent", cases=cases) == [TWO, ONE, TWO, ONE]
