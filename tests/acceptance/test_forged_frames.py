"""Author code shares its process with what speaks to the server: nothing that it writes there is believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, running

FORGER = Path(__file__).parent / "products" / "forger"
LAB = Path(__file__).parent / "products" / "lab"
FORGED = (
    "other_port", "unknown_port", "schema", "bounds", "aside", "taken",
    "runs", "audit", "partition", "count", "negative", "garbage", "subject", "event",
    "lookup", "state_key", "refused", "output", "status", "state", "duration", "step", "ask",
    "no_message", "no_length", "no_place", "asks", "chunks",
)  # fmt: skip


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("attacked") / "data") as server:
        server.deploy(LAB, "lab.bench")
        server.deploy(FORGER, "lab.forger")
        yield server


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_frame_ends_its_worker_and_commits_nothing(attacked: Server, kind: str) -> None:
    before = attacked.records("lab.forger/facts@1"), attacked.records("lab.bench/squares@1")
    answer = attacked.call("POST", "/lab/forger/forge", {"kind": kind})
    run = attacked.run(answer)
    assert answer.status_code == 500
    assert (run["state"], run["error"]["code"]) == ("failed", "run.overstepped")
    assert run["writes"] == []
    assert (attacked.records("lab.forger/facts@1"), attacked.records("lab.bench/squares@1")) == before
    assert attacked.events('name = "forged"') == []
    assert attacked.call("POST", "/lab/bench/sums", {"left": 1, "right": 1}).json()["sum"] == 2
    assert "Traceback" not in attacked.output.read_text()


def test_a_worker_cannot_hide_from_its_time_limit(attacked: Server) -> None:
    answer = attacked.call("POST", "/lab/forger/hide", {})
    assert answer.status_code == 504
    assert attacked.run(answer)["error"]["code"] == "run.timed_out"
