"""The schema registry of a running Hansa: what is given stays given, and who may see it is decided as everywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server import Refused, Server, running
from wires import MOVES, moves

MEDIA = "application/vnd.schemaregistry.v1+json"
DRIVES = "air-moves-drives-v1-value"


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with the first major of `air.moves`."""
    folder = tmp_path_factory.mktemp("registry")
    with running(folder / "data") as server:
        server.deploy(moves(folder / "moves", 1), MOVES)
        yield server


def asked(server: Server, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    headers = {"accept": f"{MEDIA}, application/json", **headers}
    return server.http.request(method, f"/schema-registry{path}", json=body, headers=headers)


def test_ids_and_versions_outlive_a_kill_and_later_deploys(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.deploy(moves(tmp_path / "moves", 1), MOVES)
        first = asked(server, "GET", f"/subjects/{DRIVES}/versions/latest").json()
        free = asked(server, "POST", "/subjects/free/versions", {"schema": '"long"'}).json()["id"]
        server.kill()
        server.start()
        assert asked(server, "GET", f"/subjects/{DRIVES}/versions/latest").json() == first
        server.deploy(moves(tmp_path / "moves", 1, 2), MOVES)
        assert asked(server, "GET", f"/subjects/{DRIVES}/versions/latest").json() == first
        assert asked(server, "GET", f"/subjects/{DRIVES}/versions").json() == [1, 2]
        assert asked(server, "GET", f"/schemas/ids/{first['id']}/schema").text == first["schema"]
        assert asked(server, "GET", f"/schemas/ids/{free}").json() == {"schema": '"long"'}
        assert server.http.get("/audit/verify").json()["first_bad"] is None


def test_answers_and_refusals_are_of_the_protocols_media_type(air: Server) -> None:
    found = asked(air, "GET", f"/subjects/{DRIVES}/versions")
    assert (found.status_code, found.headers["content-type"]) == (200, MEDIA)
    refused = asked(air, "GET", "/subjects/gone/versions")
    assert (refused.status_code, refused.headers["content-type"]) == (404, MEDIA)
    assert refused.json()["error_code"] == 40401
    assert "gone" in refused.json()["message"]


def test_a_token_is_the_password_or_the_user_of_basic_auth(air: Server) -> None:
    for pair, status in ((f"me:{air.token}", 200), (f"{air.token}:", 200), ("me:nonsense", 401), ("me", 401)):
        given = base64.b64encode(pair.encode()).decode()
        answer = asked(air, "GET", "/subjects", authorization=f"Basic {given}")
        assert answer.status_code == status, pair
    assert asked(air, "GET", "/subjects", authorization="Basic %%%").json()["error_code"] == 40101


def test_flags_are_read_in_any_spelling_and_what_is_unknown_is_ignored(air: Server) -> None:
    body = {"schema": '{ "type" : "record", "name": "F", "fields": [ ] }', "other": 1}
    kept = asked(air, "POST", "/subjects/flags/versions?normalize=True&unheard=of", body).json()["id"]
    assert asked(air, "GET", f"/schemas/ids/{kept}/schema").text == '{"fields":[],"name":"F","type":"record"}'
    asked(air, "DELETE", "/subjects/flags").raise_for_status()
    assert asked(air, "GET", "/subjects/flags/versions").json()["error_code"] == 40401
    assert asked(air, "GET", "/subjects/flags/versions?deleted=TRUE").json() == [1]
    assert "flags" in asked(air, "GET", "/subjects?deletedOnly=true").json()
    assert "flags" not in asked(air, "GET", "/subjects?offset=0&limit=-1").json()


def test_lists_are_cut_by_prefix_offset_and_limit(air: Server) -> None:
    all_of = asked(air, "GET", "/subjects?subjectPrefix=air-moves").json()
    assert all_of == [
        f"air-moves-{port}-v1-{part}" for port in ("drives", "rides", "walks") for part in ("key", "value")
    ]
    assert asked(air, "GET", "/subjects?subjectPrefix=air-moves&offset=1&limit=2").json() == all_of[1:3]
    latest = asked(air, "GET", "/schemas?subjectPrefix=air-moves&latestOnly=true").json()
    assert [one["subject"] for one in latest] == all_of


def test_a_consumer_reads_the_schemas_of_ports_and_registers_nothing(air: Server) -> None:
    air.call("POST", "/people", {"id": "reader"}).raise_for_status()
    body = {"name": "reading", "principal": "reader", "scopes": ["read", "publish"]}
    token = air.call("POST", "/tokens", body).json()["token"]
    as_reader = {"authorization": f"Bearer {token}"}
    assert asked(air, "GET", f"/subjects/{DRIVES}/versions/latest", **as_reader).status_code == 200
    for subject in (DRIVES, "free-value", "air-free-value"):
        refused = asked(air, "POST", f"/subjects/{subject}/versions", {"schema": '"string"'}, **as_reader)
        assert (refused.status_code, refused.json()["error_code"]) == (403, 40301), subject


def test_a_config_that_hansa_does_not_have_is_refused_and_not_passed_over(air: Server) -> None:
    refused = asked(
        air, "PUT", "/config/free-config", {"compatibility": "FULL", "overrideRuleSet": {"domainRules": []}}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "config.unsupported")
    assert asked(air, "GET", "/config/free-config").json()["error_code"] == 40408


def test_a_wire_format_that_cannot_carry_the_contract_is_refused_at_deploy(tmp_path: Path, air: Server) -> None:
    folder = moves(tmp_path / "moves", 1)
    contract = folder / "contracts" / "drives@1.odcs.yaml"
    contract.write_text(contract.read_text().replace("name: minutes", "name: no minutes"))
    (folder / "ports.py").unlink()
    with pytest.raises(Refused) as refused:
        air.deploy(folder, MOVES)
    assert "schema.unrepresentable" in json.dumps(refused.value.problem)


def test_a_context_has_subjects_of_its_own(air: Server) -> None:
    one, other = '{"type":"enum","name":"E","symbols":["A"]}', '"long"'
    asked(air, "POST", "/subjects/apart/versions", {"schema": one}).raise_for_status()
    asked(air, "POST", "/subjects/:.staging:apart/versions", {"schema": other}).raise_for_status()
    assert asked(air, "GET", "/subjects/:.staging:apart/versions/1/schema").json() == "long"
    named = asked(air, "GET", "/subjects/:.:apart/versions/1").json()
    assert (named["subject"], named["schema"]) == ("apart", one)
    assert asked(air, "GET", "/contexts").json() == [".", ".staging"]
    found = {prefix: asked(air, "GET", f"/subjects?subjectPrefix={prefix}apart").json() for prefix in (":*:", ":.:")}
    assert found == {":*:": ["apart"], ":.:": ["apart"]}
    assert asked(air, "GET", "/subjects?subjectPrefix=:.staging:").json() == [":.staging:apart"]
    assert ":.staging:apart" not in asked(air, "GET", "/subjects?subjectPrefix=:.:").json()


def test_a_context_does_not_take_a_subject_from_its_domain(air: Server) -> None:
    air.call("POST", "/people", {"id": "stranger"}).raise_for_status()
    made = air.call("POST", "/tokens", {"name": "strange", "principal": "stranger", "scopes": ["read", "publish"]})
    stranger = {"authorization": f"Bearer {made.json()['token']}"}
    for name in (":.staging:air-free-value", ":.:air-free-value", f":.:{DRIVES}"):
        refused = asked(air, "POST", f"/subjects/{name}/versions", {"schema": '"string"'}, **stranger)
        assert (refused.status_code, refused.json()["error_code"]) == (403, 40301), name


def test_ids_are_given_and_not_imported(air: Server) -> None:
    schema = '{"type":"fixed","name":"F","size":3}'
    for extra in ({"id": 4711}, {"version": 7}, {"id": 4711, "version": 7}):
        refused = asked(air, "POST", "/subjects/imported/versions", {"schema": schema, **extra})
        assert (refused.status_code, refused.json()["error_code"]) == (422, 42205)
        assert refused.json()["hint"] == "Leave out `id` and `version`; the answer has the id."
    refused = asked(air, "PUT", "/mode/imported", {"mode": "IMPORT"})
    assert (refused.status_code, refused.json()["error_code"]) == (422, 42204)
    assert "none is imported" in refused.json()["hint"]
    kept = asked(air, "POST", "/subjects/imported/versions", {"schema": schema, "id": -1, "version": 0}).json()["id"]
    told = asked(air, "GET", f"/schemas/ids/{kept}?fetchMaxId=true").json()
    assert (told["schema"], told["maxId"]) == (schema, kept)
    assert "maxId" not in asked(air, "GET", f"/schemas/ids/{kept}").json()
