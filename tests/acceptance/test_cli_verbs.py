"""The verbs of `hansa` against a real server: what they change is changed, what they follow comes."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli import Cli
from server import Server, running

from hansa.client.client import Client

ENDED_S = 2.0
"""From revoking a token to the end of who follows with it; most of it is this test asking on a busy machine."""


@pytest.fixture
def hansa(own: Server, tmp_path: Path) -> Cli:
    return Cli(own, tmp_path)


@pytest.fixture
def product(hansa: Cli) -> Path:
    """The folder of `shop.orders`, deployed as `hansa new` made it."""
    hansa("new", "shop.orders")
    hansa("domains", "create", "shop")
    hansa.folder = hansa.folder / "orders"
    hansa("deploy")
    return hansa.folder


def greeting(server: Server, name: str = "Ada") -> str:
    answer = server.call("POST", "/shop/orders/greetings", {"name": name})
    return str(answer.json().get("text") or answer.json()["code"])


def edit(folder: Path, before: str, after: str) -> None:
    file = folder / "product.py"
    file.write_text(file.read_text().replace(before, after))


def test_a_product_is_rolled_back_retired_and_brought_back(own: Server, hansa: Cli, product: Path) -> None:
    edit(product, "Hello,", "Good day,")
    assert "undo: hansa rollback shop.orders" in hansa("deploy", "--note", "politer")
    assert greeting(own) == "Good day, Ada!"
    assert "again" in hansa("rollback")
    assert greeting(own) == "Hello, Ada!"
    assert "revision.first" in hansa("rollback", code=1)
    assert "is live" in hansa("deploy")
    assert greeting(own) == "Good day, Ada!"
    assert "was live already" in hansa("deploy")
    hansa("retire", "shop.orders")
    assert greeting(own) == "product.retired"
    assert "product.retired" in hansa("run", "greet", "{}", code=1)
    assert "undo: hansa retire shop.orders" in hansa("deploy")
    assert greeting(own) == "Good day, Ada!"
    told = {entry["operation"] for entry in hansa.json("audit", "--target", "shop.orders")}
    assert {"product.deployed", "product.updated", "product.rolled_back", "product.retired"} <= told


def test_what_is_read_is_the_port_so_far_and_what_is_followed_goes_on(own: Server, hansa: Cli, product: Path) -> None:
    for name in ("Ada", "Bo"):
        greeting(own, name)
    assert [json.loads(line)["visitor"] for line in hansa("read", "greetings").splitlines()] == ["Ada", "Bo"]
    with hansa.following("read", "greetings", "--follow", "--where", "visitor=Cy") as follower:
        for name in ("Di", "Cy"):
            greeting(own, name)
        assert '"visitor":"Di"' not in follower.until('"visitor":"Cy"')
    assert '"visitor":"Ada"' in hansa("read", "greetings", "--follow", "--limit", "1")


def test_what_runs_print_is_followed(own: Server, hansa: Cli) -> None:
    with hansa.following("output", "--product", "lab.bench", "--follow") as follower:
        follower.until("adding 3 1", meanwhile=lambda: own.call("POST", "/lab/bench/sums", {"left": 3}))
        own.call("POST", "/lab/bench/misbehave", {}, params={"how": "raise"})
        follower.until("it raised")


def test_a_schedule_that_is_paused_starts_nothing_until_it_is_resumed(own: Server, hansa: Cli) -> None:
    def ticks() -> int:
        return len(own.runs(process="tick", product="lab.bench", trigger="schedule"))

    (told,) = [item for item in hansa.json("schedules") if item["process"] == "lab.bench:tick"]
    assert (told["paused"], len(told["next"])) == (False, 5)
    assert own.until(lambda: ticks() > 1)
    hansa("schedules", "pause", "lab.bench:tick")
    time.sleep(0.3)
    before = ticks()
    time.sleep(0.8)
    assert ticks() == before
    (told,) = [item for item in hansa.json("schedules") if item["process"] == "lab.bench:tick"]
    assert told["paused"]
    hansa("schedules", "resume", "lab.bench:tick")
    assert own.until(lambda: ticks() > before)
    assert "trigger.unknown" in hansa("schedules", "pause", "lab.bench:tick", "--index", "7", code=1)
    for arguments, code in ((("lab.bench:put",), "schedule.unknown"),
                            (("lab.bench:put", "--index", "0"), "trigger.not_pausable")):  # fmt: skip
        assert code in hansa("schedules", "pause", *arguments, code=1)
        assert own.call("PUT", "/lab/bench/numbers", [{"name": "not paused", "value": 1}]).is_success


def test_a_token_is_made_listed_and_revoked_for_followers_too(own: Server, hansa: Cli, tmp_path: Path) -> None:
    hansa("people", "add", "ada", "--name", "Ada Lovelace", "--contact", "ada@example.org")
    hansa("domains", "give", "lab", "ada", "consumer")
    made = hansa.json("tokens", "create", "reading", "--principal", "ada", "--scope", "read", "--scope", "call")
    ada = Cli(own, tmp_path, HANSA_URL=own.url, HANSA_TOKEN=made["token"])
    assert "lab.bench" in ada("products")
    assert "access.denied" in ada("runs", code=1)
    (listed,) = [token for token in hansa.json("tokens") if token["id"] == made["id"]]
    assert (listed["principal"], listed["scopes"], listed["revoked"]) == ("ada", ["call", "read"], False)
    headers = {"authorization": f"Bearer {made['token']}"}
    assert httpx.post(f"{own.url}/lab/bench/sums", json={"left": 1}, headers=headers).status_code == 201
    with ada.following("read", "lab.bench/numbers@1", "--follow") as follower:
        own.call("PUT", "/lab/bench/numbers", [{"name": "n", "value": 1}]).raise_for_status()
        follower.until('"name":"n"')
        hansa("tokens", "revoke", made["id"])
        follower.until("access.unauthenticated", ENDED_S)
        assert follower.process.wait(5) == 1
    assert httpx.post(f"{own.url}/lab/bench/sums", json={"left": 1}, headers=headers).status_code == 401
    hansa("people", "remove", "ada")
    assert [person["id"] for person in hansa.json("people")] == ["admin"]


def test_sync_writes_the_handles_of_another_products_ports(own: Server, hansa: Cli, product: Path) -> None:
    file = product / "product.yaml"
    file.write_text(
        file.read_text() + "inputPorts:\n  - name: numbers\n    version: 1.0.0\n    contractId: lab.bench/numbers@1\n"
    )
    assert "is written" in hansa("sync")
    assert "up to date" in hansa("sync")
    ports = (product / "ports.py").read_text()
    assert "class Number(" in ports
    assert '"lab.bench/numbers@1"' in ports
    assert "is live" in hansa("deploy")
    assert hansa.json("show")["reads"] == ["lab.bench/numbers@1"]
    assert "shop.orders" in hansa.json("show", "lab.bench")["read_by"]
    assert "product.in_use" in hansa("retire", "lab.bench", code=1)


def test_dev_brings_a_save_live_and_says_what_is_wrong(own: Server, hansa: Cli, product: Path) -> None:
    with hansa.following("dev") as follower:
        follower.until("live: shop.orders")
        edit(product, "Hello,", "Moin,")
        assert own.until(lambda: greeting(own) == "Moin, Ada!")
        edit(product, "return Greeting", "retrun Greeting")
        told = follower.until("product.syntax")
        assert "product.py:" in told
        assert greeting(own) == "Moin, Ada!"
        edit(
            product, "retrun Greeting(visitor.name", "raise ValueError(visitor.name)\n    return Greeting(visitor.name"
        )
        assert own.until(lambda: greeting(own) not in ("Moin, Ada!",))
        told = follower.until("product.py:24 in greet", meanwhile=lambda: greeting(own))
        assert "ValueError: Ada [logic.raised]" in told
        assert "site-packages" not in told
        assert "hansa/" not in told


def test_a_command_goes_to_the_environment_that_it_names(own: Server, product: Path, tmp_path: Path) -> None:
    with running(tmp_path / "staging") as staging:
        config = tmp_path / "config" / "hansa" / "environments.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(f"environments:\n  staging: {{url: '{staging.url}', token_env: STAGING_TOKEN}}\n")
        here = {"HANSA_URL": own.url, "HANSA_TOKEN": own.token}
        hansa = Cli(own, tmp_path, **here, STAGING_TOKEN=staging.token)
        hansa.folder = product
        assert "domain.unknown" in hansa("deploy", "--to", "staging", code=1)
        hansa("domains", "create", "shop", "--to", "staging")
        told = hansa("deploy", "--to", "staging")
        assert staging.url in told
        assert "$STAGING_TOKEN" in told
        assert "undo: hansa retire shop.orders --to staging" in told
        assert greeting(staging) == "Hello, Ada!"
        assert "Did you mean 'staging'?" in hansa("products", "--to", "stagin", code=1)


@pytest.fixture
def load(own: Server) -> Iterator[threading.Event]:
    """Calls that publish and emit, one after another, until the event is set."""
    ended = threading.Event()

    def work() -> None:
        with httpx.Client(base_url=own.url, headers={"authorization": f"Bearer {own.token}"}) as http:
            for count in range(1_000_000):
                if ended.is_set():
                    return
                answer = http.put("/lab/bench/numbers", json=[{"name": f"n{count}", "value": count}])
                assert answer.is_success, answer.text

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    yield ended
    ended.set()
    for worker in workers:
        worker.join(10)


def everything(server: Server) -> list[dict[str, Any]]:
    """All runs that put numbers, page by page."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        query = {"process": "lab.bench:put", "limit": 1000, **after}
        page = server.http.get("/runs", params=query).json()
        found += page["items"]
        if not page["next"]:
            return found
        after = {"after": page["next"]}


def test_a_backup_under_load_is_consistent_when_it_is_restored(
    own: Server, hansa: Cli, load: threading.Event, tmp_path: Path
) -> None:
    own.until(lambda: len(own.runs(process="put", product="lab.bench")) > 50)
    before = {run["id"] for run in own.runs(process="put", product="lab.bench") if run["state"] == "succeeded"}
    hansa("backup", str(tmp_path / "copy"))
    assert "backup.exists" in hansa("backup", str(tmp_path / "copy"), code=1)
    load.set()
    hansa("restore", str(tmp_path / "copy"), "--data", str(tmp_path / "again"))
    shutil.rmtree(tmp_path / "copy")
    with running(tmp_path / "again") as restored:
        hansa = Cli(restored, tmp_path)
        runs = [run for run in everything(restored) if run["state"] == "succeeded"]
        records = restored.http.get("/ports/lab.bench/numbers@1/records?limit=10000").json()["items"]
        assert before <= {run["id"] for run in runs}
        assert {run["id"] for run in runs} == {record["run"] for record in records}
        assert len(restored.events("name=number.put")) == min(len(records), 1000)
        last = records[-1]["record"]
        found = restored.http.get("/ports/lab.bench/numbers@1/lookup", params={"name": last["name"]}).json()
        assert found["record"]["name"] == last["name"]
        assert "are intact" in hansa("audit", "verify")
        restored.call("PUT", "/lab/bench/numbers", [{"name": "after", "value": 1}]).raise_for_status()
        assert restored.records("lab.bench/numbers@1")[-1]["name"] == "after"


def test_nobody_else_may_read_the_data_folder(own: Server) -> None:
    assert own.data.stat().st_mode & 0o077 == 0


def test_a_plan_says_that_the_domain_is_missing(hansa: Cli) -> None:
    hansa("new", "nowhere.orders")
    hansa.folder /= "orders"
    told = hansa("plan", code=1)
    assert "domain.unknown" in told
    assert "hansa domains create" in told


def test_small_things_are_said_as_they_are(own: Server, hansa: Cli, product: Path) -> None:
    assert "was there already" in hansa("domains", "create", "shop")
    assert "is changed" in hansa("domains", "create", "shop", "--owner", "the team")
    hansa("domains", "create", "shop", "--description", "What is sold")
    domain = hansa.json("domains", "show", "shop")
    assert (domain["owner"], domain["description"]) == ("the team", "What is sold")
    assert "nothing here speaks of 'nobody'" in hansa("forget", "nobody")
    assert "Did you mean 'visitor'" in hansa("read", "greetings", "--where", "visiter=Ada", code=1)


def test_a_manual_run_with_a_key_is_one_run(own: Server, hansa: Cli, product: Path) -> None:
    with Client(own.url, own.token) as client:
        runs = [client.processes.run("shop.orders:greet", {"name": "Ada"}, key="once") for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(own.records("shop.orders/greetings@1")) == 1
