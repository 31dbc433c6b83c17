"""A Hansa whose registry is in PostgreSQL, end to end; and two that share one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from engines.install import postgresql as programs
from postgresql import database
from server import Server, running

HANSA = Path(sys.executable).with_name("hansa")
PRODUCTS = Path(__file__).parent / "products"
SUMS = ("POST", "/lab/bench/sums", {"left": 1})


@pytest.fixture
def address(postgresql_address: str) -> Iterator[str]:
    with database(postgresql_address) as made:
        yield made


def test_a_hansa_lives_on_it_through_a_kill_and_a_move_to_another_database(
    address: str, postgresql_address: str, tmp_path: Path
) -> None:
    with running(tmp_path / "data", environment={"HANSA_DATABASE": address}) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        assert server.call(*SUMS).status_code == 201
        server.http.post("/people", json={"id": "ada"}).raise_for_status()
        issued = server.http.post("/tokens", json={"principal": "ada", "name": "laptop", "scopes": ["read"]}).json()
        server.kill()
        server.start()
        assert not (server.data / "registry.db").exists()
        assert server.call(*SUMS).status_code == 201
        assert _me(server, issued["token"]) == 200
        server.http.delete(f"/tokens/{issued['id']}").raise_for_status()
        assert _me(server, issued["token"]) == 401
        verified = server.http.get("/audit/verify").json()
        assert verified["first_bad"] is None
        findings = {item["name"]: item for item in server.http.get("/doctor").json()["items"]}
        assert findings["registry"]["in_force"]
        assert "PostgreSQL 127.0.0.1:" in findings["registry"]["detail"]
        assert findings["audit"]["in_force"]
        backup = server.http.post("/backup", json={"path": str(tmp_path / "backup")}).json()
    [dump] = backup["also"]
    dump = dump.replace("registry.dump", str(tmp_path / "registry.dump")).split()
    subprocess.run([str(programs() / dump[0]), *dump[1:]], check=True)
    restored = [str(HANSA), "restore", str(tmp_path / "backup"), "--data", str(tmp_path / "new")]
    told = subprocess.run(restored, check=True, capture_output=True, text=True)
    assert "pg_dump" in told.stdout + told.stderr
    with database(postgresql_address) as elsewhere:
        restore = [str(programs() / "pg_restore"), "--no-owner", "--dbname", elsewhere, str(tmp_path / "registry.dump")]
        subprocess.run(restore, check=True)
        with running(tmp_path / "new", environment={"HANSA_DATABASE": elsewhere}) as server:
            assert server.call(*SUMS).status_code == 201
            found = server.http.get("/audit/verify").json()
            assert found["first_bad"] is None
            assert found["intact"] > verified["intact"]


def _me(server: Server, token: str) -> int:
    return server.http.get("/me", headers={"authorization": f"Bearer {token}"}).status_code


def test_a_token_revoked_at_one_node_is_refused_at_the_other_within_a_second(address: str, tmp_path: Path) -> None:
    environment, data = {"HANSA_DATABASE": address}, tmp_path / "two"
    with running(tmp_path / "one", environment=environment) as one, ExitStack() as stack:
        data.mkdir()
        shutil.copy2(one.data / "pepper", data / "pepper")
        two = stack.enter_context(running(data, environment=environment))
        one.http.post("/people", json={"id": "ada"}).raise_for_status()
        issued = one.http.post("/tokens", json={"principal": "ada", "name": "laptop", "scopes": ["read"]}).json()
        assert two.until(lambda: _me(two, issued["token"]) == 200, 10)
        one.http.delete(f"/tokens/{issued['id']}").raise_for_status()
        revoked_s = time.monotonic()
        assert two.until(lambda: _me(two, issued["token"]) == 401, 10)
        assert time.monotonic() - revoked_s < 1


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ("mysql://127.0.0.1/mesh", "begins with 'mysql'"),
        ("postgresql://127.0.0.1:1/mesh", "Connection refused"),
    ],
)
def test_a_wrong_address_is_one_line_what_and_one_line_how(tmp_path: Path, wrong: str, what: str) -> None:
    up = subprocess.run(
        [str(HANSA), "up", "--data", str(tmp_path / "data"), "--port", "0"],
        env={**os.environ, "HANSA_DATABASE": wrong}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert up.returncode in (1, 3)
    _, told, how = up.stderr.strip().splitlines()
    assert what in told
    assert "HANSA_DATABASE" in how or "postgresql://" in how
