"""Who reads a port over the API: counted for each token, with the fields that it asked for, beyond a restart."""

from __future__ import annotations

from typing import Any

import httpx
from server import Server

SQUARES = "/ports/lab.bench/squares@1"


def readers(server: Server) -> dict[tuple[str, str], dict[str, Any]]:
    answer = server.call("GET", f"{SQUARES}/readers")
    answer.raise_for_status()
    return {(item["who"], item["token"]): item for item in answer.json()["items"]}


def test_reads_over_the_api_are_counted_by_token_and_fields_and_outlive_a_restart(own: Server) -> None:
    made = own.call("POST", "/tokens", {"name": "selecting", "scopes": ["read"]}).json()
    own.call("PUT", "/lab/bench/numbers", [{"name": "three", "value": 3}]).raise_for_status()
    assert own.until(lambda: own.records("lab.bench/squares@1"))
    with httpx.Client(base_url=own.url, headers={"authorization": f"Bearer {made['token']}"}) as selecting:
        page = selecting.get(f"{SQUARES}/records", params={"select": "name", "where": "name=three"})
        assert [item["record"] for item in page.json()["items"]] == [{"name": "three"}]
        refused = selecting.get(f"{SQUARES}/records", params={"select": "nam"}).json()
        assert (refused["code"], refused["hint"]) == ("field.unknown", "Did you mean 'name'?")
    before = readers(own)
    assert (before["admin", made["id"]]["count"], before["admin", made["id"]]["fields"]) == (1, ["name"])
    assert [whole["fields"] for (_, token), whole in before.items() if token != made["id"]] == [["*"]]
    own.stop()
    own.start()
    assert readers(own) == before


def test_a_process_is_a_reader_once_it_has_run(bench: Server) -> None:
    bench.call("PUT", "/lab/bench/numbers", [{"name": "two", "value": 2}]).raise_for_status()

    def processes() -> list[str]:
        found = bench.http.get("/ports/lab.bench/numbers@1/readers").json()["items"]
        return sorted(reader["who"] for reader in found if reader["kind"] == "process")

    assert bench.until(lambda: processes() == ["lab.bench:put", "lab.bench:square"]), processes()
