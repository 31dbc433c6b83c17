"""One window reads the same in every standard (ODPS, ODCS, registry, CloudEvents, HTTP, OpenAPI, AsyncAPI), on the page
for people, in `window` and in the plan of a reader: each phase on one server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from server import Refused, Server, running
from versions import contract

from hansa.blobs.bundle import pack
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.contracts.write import yaml_text

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.replace(hour=0, minute=0, second=0)
PRODUCT, READER = "yard.phases", "yard.reader"
WINDOW = {"previous": 1, "upgrade": '{"id": id, "grams": kg * 1000}', "downgrade": '{"id": id, "kg": grams / 1000}'}
CODE = """
from hansa import Context, DataProduct, http, reply
from . import ports

product = DataProduct(__file__)


@product.logic
def weigh(body: dict[str, int], *, ctx: Context) -> dict[str, int]:
    for name in {names}:
        handle = getattr(ports, name)
        ctx.publish(handle, [{{"id": key, "grams": value}} for key, value in body.items()])
    return body


product.process("weigh", weigh, reply, on=http.post("/weigh"))
"""


@dataclass(frozen=True)
class Told:
    """What must be told of a window, its dates in days from now; `announced` is the file that says so."""

    phase: str
    status: str
    older: dict[str, int]
    newer: dict[str, int]
    announced: str = ""
    is_retired: bool = False

    def at(self, name: str) -> datetime | None:
        days = (self.newer if name == "generalAvailability" else self.older).get(name)
        return None if days is None else (TODAY if name == "endOfSupport" else NOW) + timedelta(days=days)


def dates(told: Told, names: dict[str, int]) -> dict[str, str]:
    return {name: text(told.at(name)) for name in names}


def text(moment: datetime | None) -> str:
    assert moment is not None
    return (
        f"{moment:%Y-%m-%d}" if moment == moment.replace(hour=0, minute=0, second=0) else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    )


LATER = {"generalAvailability": 30}
OPEN = {"generalAvailability": -20}
PHASES = {
    "upcoming": Told("upcoming", "active", {"endOfSupport": 60, "endOfLife": 90}, LATER, "contract"),
    "both": Told("both", "active", {}, OPEN),
    "announced": Told("deprecated", "deprecated", {}, OPEN, "product"),
    "deprecated": Told("deprecated", "deprecated", {"endOfSupport": 10, "endOfLife": 20}, OPEN),
    "unsupported": Told("ended_support", "deprecated", {"endOfSupport": -10, "endOfLife": 20}, OPEN),
    "passed": Told("ended", "retired", {"endOfSupport": -10, "endOfLife": -5}, OPEN),
    "forced": Told("ended", "retired", {"endOfLife": 20}, OPEN, is_retired=True),
}  # fmt: skip
each = pytest.mark.parametrize("name", PHASES)


def older(name: str) -> str:
    return f"{PRODUCT}/{name}@1"


def newer(name: str) -> str:
    return f"{PRODUCT}/{name}@2"


def product(folder: Path) -> Path:
    """One product with a window in each phase."""
    (folder / "contracts").mkdir(parents=True)
    outputs = []
    for name, told in PHASES.items():
        for major, days in ((1, told.older), (2, told.newer)):
            made = contract(major, dates=dates(told, days), window=WINDOW if major == 2 else None)
            made |= {"id": name}
            if major == 1 and told.announced == "contract":
                made["status"] = "deprecated"
            (folder / "contracts" / f"{name}@{major}.odcs.yaml").write_text(yaml_text(made))
            outputs.append({"name": name, "version": f"{major}.0.0", "contractId": name})
        if told.announced == "product":
            outputs[-2]["deprecated"] = True
    return written(folder, PRODUCT, {"outputPorts": outputs}, CODE.format(names=[*PHASES]))


def reader(folder: Path, *names: str) -> Path:
    """A product that reads the older versions."""
    folder.mkdir()
    ports = [
        {"name": name, "customProperties": [{"property": "port", "value": older(name), "vendor": "hansa"}]}
        for name in names
    ]
    code = "from hansa import DataProduct\n\nproduct = DataProduct(__file__)\n"
    return written(folder, READER, {"inputPorts": ports}, code)


def written(folder: Path, name: str, ports: dict[str, Any], code: str) -> Path:
    head = {"apiVersion": "v1.1.0", "kind": "DataProduct", "id": name, "version": "1.0.0", "status": "active"}
    (folder / "product.yaml").write_text(yaml_text({**head, **ports}))
    found = {port.id: port for port in read_product(folder.parent / "phases").outputs}
    (folder / "ports.py").write_text(generate_ports(read_product(folder), found if name == READER else {}))
    (folder / "product.py").write_text(code)
    return folder


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("documents")
    with running(folder / "data") as server:
        server.deploy(product(folder / "phases"), PRODUCT)
        server.call("POST", "/yard/phases/weigh", {"a": 1000}).raise_for_status()
        server.call("POST", f"/ports/{older('forced')}/retire", {}).raise_for_status()
        server.reader = lambda *names: reader(folder / "-".join(names), *names)  # type: ignore[attr-defined]
        yield server


def told_json(mesh: Server, path: str) -> Any:
    answer = mesh.call("GET", path)
    answer.raise_for_status()
    return answer.json()


def ends(mesh: Server, name: str) -> datetime | None:
    """When the older version ends by its own window: it was retired, or its end of life."""
    window = told_json(mesh, f"/ports/{older(name)}/window")
    at = window["retired"]["at"] if window["retired"] else window["end_of_life"]
    return None if at is None else datetime.fromisoformat(at).replace(microsecond=0)


@each
def test_a_window_says_its_phase_and_its_dates(mesh: Server, name: str) -> None:
    told, window = PHASES[name], told_json(mesh, f"/ports/{older(name)}/window")
    assert (window["older"], window["newer"], window["phase"]) == (older(name), newer(name), told.phase)
    assert bool(window["retired"]) is told.is_retired
    for key, date in (("general_availability", "generalAvailability"), ("end_of_support", "endOfSupport"),
                      ("end_of_life", "endOfLife")):  # fmt: skip
        assert (window[key] and datetime.fromisoformat(window[key])) == told.at(date), key


@each
def test_odps_has_both_majors_and_marks_the_older_one(mesh: Server, name: str) -> None:
    ports = told_json(mesh, f"/products/{PRODUCT}/document?format=json")["outputPorts"]
    found = {port["version"]: port.get("deprecated", False) for port in ports if port["name"] == name}
    assert found == {"1.0.0": PHASES[name].status != "active", "2.0.0": False}


@each
def test_odcs_has_the_status_and_the_dates(mesh: Server, name: str) -> None:
    told = PHASES[name]
    for port, status, days in ((older(name), told.status, told.older), (newer(name), "active", told.newer)):
        document = told_json(mesh, f"/ports/{port}/contract?format=json")
        found = {item["property"]: item["value"] for item in document.get("slaProperties", ())}
        assert (document["status"], found) == (status, dates(told, days))


@each
def test_the_registry_has_both_majors_and_the_rules_between_them(mesh: Server, name: str) -> None:
    for major in (1, 2):
        subject = f"yard-phases-{name}-v{major}-value"
        found = told_json(mesh, f"/schema-registry/subjects/{subject}/versions/latest")
        assert found["metadata"]["properties"]["major_version"] == str(major)
        assert told_json(mesh, f"/schema-registry/config/{subject}")["compatibilityGroup"] == "major_version"
        line = told_json(mesh, f"/schema-registry/subjects/{subject}/metadata?key=major_version&value=2")
        rules = {rule["mode"]: rule["expr"] for rule in line["ruleSet"]["migrationRules"]}
        assert rules == {"UPGRADE": WINDOW["upgrade"], "DOWNGRADE": WINDOW["downgrade"]}


@each
def test_records_are_cloudevents_of_their_major(mesh: Server, name: str) -> None:
    ports = [newer(name)] if PHASES[name].phase == "ended" else [older(name), newer(name)]
    for port in ports:
        answer = mesh.call("GET", f"/ports/{port}/records", headers={"accept": "application/cloudevents-batch+json"})
        (event,) = answer.json()
        assert event["type"] == f"yard.phases.{name}.v{port[-1]}"
        assert event["source"] == f"urn:hansa:{port}"
        schema = told_json(mesh, event["dataschema"].removeprefix(mesh.url) + "?format=json")
        assert (schema["id"], schema["version"]) == (name, f"{port[-1]}.0.0")


@each
def test_http_answers_carry_deprecation_sunset_and_the_successor(mesh: Server, name: str) -> None:
    told, window = PHASES[name], told_json(mesh, f"/ports/{older(name)}/window")
    answer = mesh.call("GET", f"/ports/{older(name)}/records")
    assert f'</ports/{newer(name)}>; rel="successor-version"' in answer.headers["link"]
    assert "link" not in mesh.call("GET", f"/ports/{newer(name)}/records").headers
    if told.phase == "ended":
        assert (answer.status_code, answer.json()["code"]) == (410, "port.ended")
        assert newer(name) in answer.json()["hint"]
        return
    since = answer.headers.get("deprecation")
    at = window["deprecated_at"] and datetime.fromisoformat(window["deprecated_at"])
    assert (since and datetime.fromtimestamp(int(since[1:]), UTC)) == at
    assert (at is not None and at <= datetime.now(UTC)) is (told.status != "active")
    sunset = answer.headers.get("sunset")
    assert (sunset and parsedate_to_datetime(sunset)) == ends(mesh, name)


@each
def test_openapi_and_asyncapi_mark_the_older_version(mesh: Server, name: str) -> None:
    told, at = PHASES[name], ends(mesh, name)
    api = told_json(mesh, "/openapi.json")["paths"]
    streams = told_json(mesh, "/asyncapi.json")
    for major, is_older in ((1, True), (2, False)):
        channel = f"yard.phases.{name}.v{major}"
        operation = api[f"/ports/{PRODUCT}/{name}@{major}/records"]["get"]
        for part in (operation, streams["channels"][channel], streams["operations"][f"{channel}.send"],
                     streams["components"]["messages"][channel]):  # fmt: skip
            assert part.get("x-deprecated", False) is (is_older and told.status != "active")
            assert part.get("x-successor") == (newer(name) if is_older else None)
            assert part.get("x-sunset") == (text(at) if is_older and at else None)
        assert operation.get("deprecated", False) is (is_older and told.status != "active")


@each
def test_the_page_for_people_says_so_too(mesh: Server, name: str) -> None:
    told, at = PHASES[name], ends(mesh, name)
    page = mesh.call("GET", f"/ports/{older(name)}/contract?format=markdown").text
    head = page[: page.index("## Fields")]
    assert head.splitlines()[2].replace("*", "") == f"version 1.0.0 · {told.status}"
    assert f"Its successor is `{newer(name)}`." in head
    assert at is None or f"on {text(at)}." in head
    fresh = mesh.call("GET", f"/ports/{newer(name)}/contract?format=markdown").text
    assert fresh.splitlines()[2].replace("*", "") == "version 2.0.0 · active"
    assert "successor" not in fresh


@each
def test_a_plan_of_a_reader_warns_of_it_or_is_refused(mesh: Server, name: str) -> None:
    told, at = PHASES[name], ends(mesh, name)
    folder = mesh.reader(name)  # type: ignore[attr-defined]
    if told.phase == "ended":
        with pytest.raises(Refused) as refused:
            mesh.deploy(folder, READER)
        assert refused.value.problem["code"] == "port.ended"
        assert newer(name) in refused.value.problem["hint"]
        return
    (note,) = mesh.call("POST", f"/products/{READER}/plan", content=pack(folder).data).json()["notes"]
    end = f", its end of life is {text(at)}" if at else ""
    assert (
        note
        == {
            "upcoming": f"{older(name)} will be followed by {newer(name)}",
            "both": f"{older(name)} is followed by {newer(name)}",
            "deprecated": f"{older(name)} is deprecated{end}: it is followed by {newer(name)}",
            "ended_support": f"{older(name)} is supported no more{end}: it is followed by {newer(name)}",
        }[told.phase]
    )
