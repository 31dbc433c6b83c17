"""A person is forgotten: gone from every answer at once, from what is built anew, and from the bytes on disk."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"
BO = {"customer_id": "c-bo-4711", "email": "bo.secret@example.org", "city": "Lummerland"}
AL = {"customer_id": "c-al-4712", "email": "al.stays@example.org", "city": "Lummerland"}
CUSTOMERS = "crm.people/customers@1"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        server.deploy(PRODUCTS / "people", "crm.people")
        for person in (BO, AL):
            server.call("PUT", "/crm/people/customers", person).raise_for_status()
            for n in range(20):  # so that rows are moved about in the pages of the files
                server.call("PUT", "/crm/people/customers", {**person, "city": f"City {n}"}).raise_for_status()
            answer = server.until(lambda p=person: found(server, p))
            assert answer.json()["email"] == person["email"]
            assert server.call("POST", "/crm/people/mails", {"email": person["email"]}).status_code == 500
        server.until(lambda: len(server.runs(process="greet", state="succeeded")) == 42)
        yield server


def found(server: Server, person: dict[str, str]) -> httpx.Response | None:
    answer = server.call("GET", f"/crm/people/customers/{person['customer_id']}")
    return answer if answer.status_code == 200 else None


def shown(server: Server) -> str:
    """Everything that a reader is told of runs, events and records."""
    runs = [server.http.get(f"/runs/{run['id']}").text for run in server.runs()]
    assert len(runs) > 80
    events = server.http.get("/events", params={"limit": 1000}).text
    return "".join([*runs, events, str(server.runs()), server.http.get(f"/ports/{CUSTOMERS}/records").text])


def files_with(folder: Path, text: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if holds(path, text.encode())]


def holds(path: Path, data: bytes) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.is_file() and data in path.read_bytes()
    return False


def ids(server: Server) -> set[str]:
    return {run["id"] for run in server.runs()}


def forget(server: Server, **body: object) -> dict[str, object]:
    answer = server.call("POST", "/forget", {"subject": BO["customer_id"], **body})
    answer.raise_for_status()
    return dict(answer.json())


def test_a_forgotten_person_is_gone_everywhere(people: Server) -> None:
    assert BO["email"] in shown(people)
    plan = forget(people, product="crm.people")
    assert (plan["forgotten"], plan["records"], plan["events"]) == (False, {CUSTOMERS: 21}, 21)
    assert BO["email"] in shown(people)
    done = forget(people, product="crm.people", confirm=True)
    assert done == {**plan, "forgotten": True}
    again = forget(people)
    assert (again["records"], again["runs"], again["events"]) == ({}, 0, 0)
    assert found(people, BO) is None
    after = shown(people)
    assert BO["email"] not in after
    assert after.count(AL["email"]) > 60
    assert found(people, AL) is not None


def test_nothing_of_the_person_is_left_on_disk(people: Server) -> None:
    assert files_with(people.data, BO["email"]) != []
    forget(people, confirm=True)
    assert people.until(lambda: not files_with(people.data, BO["email"])), files_with(people.data, BO["email"])
    assert people.until(lambda: not files_with(people.data, BO["customer_id"])), "the id"
    assert files_with(people.data, AL["email"]) != []
    people.stop()
    assert files_with(people.data, BO["email"]) == []
    people.start()
    assert found(people, AL) is not None


def test_what_is_forgotten_stays_so_when_views_are_built_anew(people: Server) -> None:
    forget(people, confirm=True)
    before = ids(people)
    for view in ("runs", "events", "lineage", CUSTOMERS):
        done = people.call("POST", f"/views/{view}/rebuild", params={"wait_s": 30})
        assert (done.status_code, done.json()["rebuilt"]) == (200, True)
    assert BO["email"] not in shown(people)
    assert ids(people) == before
    assert found(people, BO) is None
    assert found(people, AL) is not None
    people.kill()
    for name in ("views.db", "views.db-wal", "views.db-shm"):
        (people.data / name).unlink(missing_ok=True)
    people.start()
    assert people.until(lambda: ids(people) >= before)
    assert BO["email"] not in shown(people)


def test_who_forgets_is_audited_and_who_is_forgotten_is_not_named(people: Server) -> None:
    forget(people, confirm=True)
    (entry,) = people.http.get("/audit", params={"operation": "person.forgotten"}).json()["items"]
    assert (entry["actor"], entry["target"]) == ("admin", "hansa")
    assert entry["after"]["persons"] == [1]
    assert entry["after"]["runs"] > 40
    assert BO["customer_id"] not in people.http.get("/audit", params={"limit": 1000}).text


def test_only_who_answers_for_the_domain_may_forget(people: Server) -> None:
    def as_role(role: str) -> httpx.Response:
        person = f"the_{role}"
        people.call("POST", "/people", {"id": person}).raise_for_status()
        people.call("POST", "/domains/crm/roles", {"person": person, "role": role}).raise_for_status()
        body = {"name": role, "scopes": ["admin"], "principal": person}
        token = people.call("POST", "/tokens", body).json()["token"]
        head = {"authorization": f"Bearer {token}"}
        everywhere = people.call("POST", "/forget", {"subject": "x"}, headers=head)
        assert everywhere.status_code == 403
        return people.call("POST", "/forget", {"subject": "x", "product": "crm.people"}, headers=head)

    assert [as_role(role).status_code for role in ("owner", "developer")] == [200, 403]


def test_the_command_says_what_there_is_and_asks(people: Server) -> None:
    def hansa(*arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "HANSA_URL": people.url, "HANSA_TOKEN": people.token}
        command = [str(Path(sys.executable).with_name("hansa")), *arguments]
        return subprocess.run(command, input=answer, capture_output=True, text=True, env=variables, check=False)

    no = hansa("forget", BO["customer_id"], "--product", "crm.people", answer="n\n")
    assert no.returncode != 0
    assert f"21 of {CUSTOMERS}" in no.stdout
    assert found(people, BO) is not None
    yes = hansa("forget", BO["customer_id"], "--yes", "--json")
    assert (yes.returncode, '"forgotten": true' in yes.stdout) == (0, True)
    assert found(people, BO) is None
    listed = hansa("views", "list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in ("runs", "events", "lineage", CUSTOMERS))
    assert hansa("views", "rebuild", CUSTOMERS).returncode == 0
    wrong = hansa("views", "rebuild", "rnus")
    assert (wrong.returncode, "Did you mean 'runs'" in wrong.stderr) == (1, True)
