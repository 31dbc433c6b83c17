"""What callers and authors get wrong: a clear error with its code and hint, and everybody else goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Refused, Server

PRODUCTS = Path(__file__).parent / "products"


@pytest.fixture(scope="module")
def rogue(bench: Server) -> Server:
    """The bench with a product whose logic misbehaves in ways that are hard to stop."""
    bench.deploy(PRODUCTS / "rogue", "lab.rogue")
    return bench


def misbehave(server: Server, how: str, **body: Any) -> tuple[str, str, str]:
    """State of the run, code and message of its error; asserts that others are served meanwhile and afterwards."""
    run = server.run(server.call("POST", "/lab/rogue/misbehave", body, params={"how": how}))
    assert server.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
    return run["state"], run["error"]["code"], run["error"]["message"]


# Logic


@pytest.mark.parametrize(
    "how",
    ["hang in C", "ignore signals", "catch everything", "print without end", "write without end", "fill memory"],
)
def test_logic_that_does_not_end_is_ended(rogue: Server, how: str) -> None:
    begun = time.monotonic()
    state, code, _ = misbehave(rogue, how)
    assert (state, code) in [("timed_out", "run.timed_out"), ("failed", "logic.out_of_memory")]
    assert time.monotonic() - begun < 10


def test_what_logic_writes_without_end_is_cut(rogue: Server) -> None:
    answer = rogue.call("POST", "/lab/rogue/misbehave", {}, params={"how": "write without end"})
    assert set(rogue.run(answer)["output"]) == {"x"}
    assert len(rogue.run(answer)["output"]) == 4096


def test_logic_cannot_fill_the_disk_and_leaves_nothing_there(rogue: Server) -> None:
    state, code, _ = misbehave(rogue, "fill the disk")
    assert (state, code) in [("failed", "logic.raised"), ("timed_out", "run.timed_out")]
    rogue.call("POST", "/lab/rogue/misbehave", {}, params={"how": "hang in C"})  # its worker is killed
    scratch = rogue.data / "scratch"
    assert rogue.until(lambda: not list(scratch.rglob("big")))


@pytest.mark.parametrize("what", ["product.py of another", "the token of the admin", "the log", "scratch of others"])
def test_logic_reads_nothing_that_is_not_its_own(rogue: Server, what: str) -> None:
    other = rogue.http.get("/products/lab.bench").json()["revision"]
    paths = {
        "product.py of another": rogue.data / "revisions" / other / "product.py",
        "the token of the admin": rogue.data / "client.json",
        "the log": rogue.data / "log.db",
        "scratch of others": rogue.data / "scratch",
    }
    path = paths[what]
    assert path.exists()
    how = "list" if path.is_dir() else "read"
    state, code, message = misbehave(rogue, how, path=str(path))
    assert (state, code) == ("failed", "logic.raised")
    assert message == f"PermissionError: [Errno 13] Permission denied: '{path}'"


def test_logic_kills_nobody(rogue: Server) -> None:
    for how in ("kill the parent", "kill"):
        _, code, message = misbehave(rogue, how, pid=rogue.process.pid)
        assert (code, message) == ("logic.raised", "PermissionError: [Errno 1] Operation not permitted")
    assert rogue.process.poll() is None


def test_a_result_without_a_json_form(rogue: Server) -> None:
    _, code, message = misbehave(rogue, "answer nonsense")
    assert code == "logic.raised"
    assert "object has no JSON form; return plain values" in message


# Calls


def sized(parts: int) -> Iterator[bytes]:
    for _ in range(parts):
        yield b"x" * 500


@pytest.mark.parametrize(("body", "status"), [(b"x" * 1000, 200), (b"x" * 1001, 413), (sized(2), 200), (sized(3), 413)])
def test_a_body_too_large(rogue: Server, body: Any, status: int) -> None:
    answer = rogue.http.post("/lab/rogue/measure", content=body)
    assert answer.status_code == status
    if status == 413:
        assert answer.json()["code"] == "body.too_large"
        assert "1000 bytes" in answer.json()["detail"]
        assert answer.json()["hint"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/processes/lab.bench:add/runs", b"{", 400, "body.not_json"),
        ("POST", "/events", b"not json", 400, "body.not_json"),
        ("POST", "/events", b'{"id": 1}', 422, "event.malformed"),
        ("POST", "/domains", b"{", 400, "body.not_json"),
        ("POST", "/domains", b'{"name": 7}', 400, "input.invalid"),
        ("POST", "/processes/lab.bench:nothing/runs", b"{}", 404, "process.unknown"),
        ("POST", "/processes/lab.nobody:add/runs", b"{}", 404, "product.unknown"),
        ("GET", "/ports/lab.bench/number@1/records", None, 404, "port.unknown"),
        ("GET", "/ports/lab.bench/numbers/records", None, 400, "id.malformed"),
        ("GET", "/runs/nothing", None, 404, "run.unknown"),
        ("POST", "/products/lab.broken/deploy", b"no bundle", None, "bundle.malformed"),
    ],
)
def test_what_the_api_refuses(
    bench: Server, method: str, path: str, body: bytes | None, status: int | None, code: str
) -> None:
    answer = bench.http.request(method, path, content=body)
    told = answer.json().get("error", answer.json())
    assert told["code"] == code, told
    assert told["detail"]
    assert told["hint"]
    if status is not None and code != "input.invalid":
        assert answer.status_code == status


# Products


def test_an_unknown_port_names_the_one_that_was_meant(bench: Server) -> None:
    assert "numbers@1" in bench.http.get("/ports/lab.bench/number@1/records").json()["hint"]


IMPORTS = {
    "ends the process": "import os\nos._exit(3)\n",
    "exits": "import sys\nsys.exit(3)\n",
    "forks": "import os\nos.fork()\n",
    "opens a socket": "import socket\nsocket.socket()\n",
    "prints a lot": "for _ in range(100_000):\n    print('x' * 100)\nraise RuntimeError('enough')\n",
    "reads a file": "open('/etc/passwd').read()\n",
    "fills memory": "kept = bytearray(64 << 30)\n",
}


@pytest.mark.parametrize("what", IMPORTS)
def test_a_product_that_misbehaves_when_it_is_imported_is_refused(bench: Server, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "rogue"
    shutil.copytree(PRODUCTS / "rogue", folder)
    text = (folder / "product.yaml").read_text().replace("lab.rogue", "lab.imported")
    (folder / "product.yaml").write_text(text)
    bench.deploy(folder, "lab.imported")
    code = (folder / "product.py").read_text()
    (folder / "product.py").write_text(IMPORTS[what] + code)
    with pytest.raises(Refused) as refused:
        bench.deploy(folder, "lab.imported")
    problem = refused.value.problem
    assert problem["hint"] or problem["findings"]
    if what != "ends the process":
        assert problem["findings"][0]["file"] == "product.py"
    assert bench.http.post("/lab/imported/measure", content=b"123").json() == {"bytes": 3}
