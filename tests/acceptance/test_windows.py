"""Version windows on a real server: filled from history, written in one commit, moved over without gap or repeat."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server import Refused, Server
from versions import BOTH, ENTRIES, LEDGER, NEW, OLD, ONE, SCALE, ledger, scale

from hansa.blobs.bundle import pack
from hansa.client.client import Client
from hansa.client.notices import DeprecatedVersion

FEED = "application/cloudevents-batch+json"


def weigh(server: Server, path: str = "weigh", **weights: int) -> None:
    server.call("POST", f"/yard/scale/{path}", weights).raise_for_status()


def read(server: Server, port: str, field: str) -> dict[str, int]:
    records = [record for record in server.records(port) if record is not None]
    found = {record["id"]: record[field] for record in records}
    assert len(found) == len(records), "no record stands there twice"
    return found


def test_a_window_is_filled_and_one_write_makes_both_versions(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "one"), SCALE)
    weigh(own, a=1, b=2)
    weigh(own, c=3)
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    assert read(own, NEW, "grams") == {"a": 1000, "b": 2000, "c": 3000}
    weigh(own, d=4)
    weigh(own, "grams", e=5000)
    assert read(own, NEW, "grams") == {"a": 1000, "b": 2000, "c": 3000, "d": 4000, "e": 5000}
    assert read(own, OLD, "kg") == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_what_cannot_be_translated_down_is_withheld_from_the_old_version_alone(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    weigh(own, "grams", a=1000, b=2500, c=3000)
    assert read(own, NEW, "grams") == {"a": 1000, "b": 2500, "c": 3000}
    assert read(own, OLD, "kg") == {"a": 1, "c": 3}
    (aside,) = own.until(lambda: own.http.get("/quarantine", params={"port": OLD}).json()["items"])
    (reason,) = aside["reasons"]
    assert (reason["code"], "2500" in reason["message"]) == ("translator.raised", False)
    replayed = own.call("POST", f"/quarantine/{aside['id']}/replay", {})
    assert replayed.json()["code"] == "quarantine.withheld"


def test_a_consumer_moves_to_the_new_version_without_gap_or_repeat(own: Server, tmp_path: Path) -> None:
    both = scale(tmp_path / "both", (1, 2))
    own.deploy(scale(tmp_path / "one"), SCALE)
    weigh(own, a=1, b=2)
    own.deploy(ledger(tmp_path / "ledger", 1, both), LEDGER)
    own.until(lambda: len(own.records(ENTRIES)) == 2)
    own.deploy(both, SCALE)
    weigh(own, "grams", c=3000, d=4500)
    own.until(lambda: len(own.records(ENTRIES)) == 3)
    own.deploy(ledger(tmp_path / "ledger2", 2, both), LEDGER)
    weigh(own, "grams", e=5500)
    own.until(lambda: len(own.records(ENTRIES)) >= 4)
    found = [(record["id"], record["unit"], record["value"]) for record in own.records(ENTRIES)]
    assert found == [("a", "kg", 1), ("b", "kg", 2), ("c", "kg", 3), ("e", "grams", 5500)]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("weight.kg * 1000)", "weight.kg * 1000 // (weight.kg - 2))", "translator.raised"),
        ("Weight(weight.id, weight.kg", "Weight(weight.id.upper(), weight.kg", "translator.key"),
        ("weight.kg * 1000)", "str(weight.kg))", "translator.contract"),
        ("weight.grams // 1000)", "1 // (weight.grams - 2000))", "translator.raised"),
        ("def to_kg(weight: Weight) -> Weight1", "def to_kg(weight: Weight) -> Weight", "translator.type"),
        ("def to_kg(", "def to_kilograms(", "translator.missing"),
    ],
)
def test_translators_are_tried_on_real_records_before_they_are_published(
    bench: Server, tmp_path: Path, before: str, after: str, code: str
) -> None:
    if not bench.call("GET", f"/products/{SCALE}").is_success:
        bench.deploy(scale(tmp_path / "one"), SCALE)
        weigh(bench, secret=1, b=2)
    assert before in BOTH
    with pytest.raises(Refused) as refused:
        bench.deploy(scale(tmp_path / "both", (1, 2), code=BOTH.replace(before, after)), SCALE)
    assert refused.value.problem["code"] == code, refused.value.problem
    assert "secret" not in str(refused.value.problem)
    if code in ("translator.raised", "translator.key"):
        assert "position" in refused.value.problem["detail"]
    assert not bench.call("GET", f"/ports/{NEW}").is_success


def test_a_plan_tells_a_translator_with_other_code(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    other = pack(scale(tmp_path / "other", (1, 2), code=BOTH.replace("weight.kg * 1000)", "1000 * weight.kg)")))
    plan = own.call("POST", f"/products/{SCALE}/plan", content=other.data).json()
    [change] = plan["changes"]
    assert (change["kind"], change["what"], change["id"]) == ("changed", "translator", "to_grams")
    assert change["text"].startswith(f"to_grams, which translates {OLD} into {NEW}, has other code")


STEPS = """

@product.logic
def put(body: dict[str, int], *, ctx: Context) -> dict[str, int]:
    ctx.publish(weights, [Weight(name, value{times}) for name, value in body.items()])
    return body


@product.logic
def rest(body: dict[str, int]) -> dict[str, int]:
    __import__("time").sleep({rest_s})
    return body


product.process("weigh_in_steps", put, rest, reply, on=http.post("/steps"), durability="step")
product.process("weigh_and_rest", rest, put, reply, on=http.post("/rest"))
"""


def test_runs_that_are_at_work_while_a_window_opens_make_both_versions(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "one", code=ONE + STEPS.format(times="", rest_s=1.5)), SCALE)
    with ThreadPoolExecutor(2) as callers:
        slow = [callers.submit(weigh, own, path, **{path: 1}) for path in ("steps", "rest")]
        time.sleep(0.7)
        own.deploy(scale(tmp_path / "both", (1, 2), code=BOTH + STEPS.format(times=" * 1000", rest_s=0)), SCALE)
        for call in slow:
            call.result()
    weigh(own, last=3)
    assert read(own, NEW, "grams") == {"steps": 1000, "rest": 1000, "last": 3000}
    assert read(own, OLD, "kg") == {"steps": 1, "rest": 1, "last": 3}
    assert len(own.runs(product=SCALE, state="succeeded", trigger="http")) == 3


def test_a_version_tells_its_end_and_is_retired_when_nobody_reads_it(own: Server, tmp_path: Path) -> None:
    dates = {1: {"endOfSupport": "2031-06-30", "endOfLife": "2031-12-31"}, 2: {"generalAvailability": "2026-01-01"}}
    both = scale(tmp_path / "both", (1, 2), dates=dates)
    own.deploy(both, SCALE)
    own.deploy(ledger(tmp_path / "ledger", 1, both), LEDGER)
    weigh(own, a=1)
    answer = own.call("GET", f"/ports/{OLD}/records")
    assert answer.headers["deprecation"] == "@1767225600"
    assert answer.headers["sunset"] == "Wed, 31 Dec 2031 00:00:00 GMT"
    assert f'</ports/{NEW}>; rel="successor-version"' in answer.headers["link"]
    assert "deprecation" not in own.call("GET", f"/ports/{NEW}/records").headers
    for form in ("products/yard.scale/document", f"ports/{OLD}/contract"):
        document = own.call("GET", f"/{form}", params={"format": "json"}).json()
        shown = [port.get("deprecated") for port in document.get("outputPorts", ())] or [document["status"]]
        assert shown == ([True, None] if "outputPorts" in document else ["deprecated"])
    planned = own.call("POST", f"/products/{LEDGER}/plan", content=pack(tmp_path / "ledger").data).json()
    assert planned["notes"] == [f"{OLD} is deprecated, its end of life is 2031-12-31: it is followed by {NEW}"]
    with Client(own.url, own.token) as client, pytest.warns(DeprecatedVersion, match="weights@2 takes its place"):
        assert [item["record"]["id"] for item in client.ports.read(OLD)] == ["a"]
    standing = own.call("GET", f"/ports/{OLD}/window", params={"position": "1"}).json()
    assert (standing["phase"], standing["readers"], standing["position"]) == ("deprecated", [LEDGER, "admin"], "0:1")
    refused = own.call("POST", f"/ports/{OLD}/retire", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "port.in_use")
    assert LEDGER in refused.json()["detail"]
    ended = own.call("POST", f"/ports/{OLD}/retire", {"approval": "Ada: the ledger is rebuilt"})
    assert ended.json()["phase"] == "ended"
    gone = own.call("GET", f"/ports/{OLD}/records")
    assert (gone.status_code, gone.json()["code"]) == (410, "port.ended")
    assert NEW in gone.json()["hint"]
    late_folder = ledger(tmp_path / "late", 1, both)
    (late_folder / "notes.txt").write_text("another revision")
    with pytest.raises(Refused) as late:
        own.deploy(late_folder, LEDGER)
    assert late.value.problem["code"] == "port.ended"
    own.deploy(scale(tmp_path / "two", (2,)), SCALE)
    forgotten = own.call("GET", f"/ports/{OLD}/records")
    assert (forgotten.status_code, NEW in forgotten.json()["hint"]) == (410, True)
    audit = own.call("GET", "/audit").json()["items"]
    assert [e["after"]["approval"] for e in audit if e["operation"] == "port.retired"] == ["Ada: the ledger is rebuilt"]


def test_a_window_that_is_rolled_back_and_opened_again_misses_and_repeats_nothing(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "one"), SCALE)
    weigh(own, a=1)
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    weigh(own, b=2)
    own.call("POST", f"/products/{SCALE}/rollback", {}).raise_for_status()
    weigh(own, c=3)
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    weigh(own, d=4)
    assert read(own, NEW, "grams") == {"a": 1000, "b": 2000, "c": 3000, "d": 4000}
    assert read(own, OLD, "kg") == {"a": 1, "b": 2, "c": 3, "d": 4}
    own.call("POST", f"/products/{SCALE}/retire").raise_for_status()
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    weigh(own, e=5)
    assert read(own, NEW, "grams") == {"a": 1000, "b": 2000, "c": 3000, "d": 4000, "e": 5000}


def test_a_reader_outside_finds_its_place_in_the_new_version(own: Server, tmp_path: Path) -> None:
    own.deploy(scale(tmp_path / "one"), SCALE)
    weigh(own, a=1, b=2, c=3)
    own.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    weigh(own, "grams", d=4500, e=5000)
    seen = own.call("GET", f"/ports/{OLD}/records", params={"limit": 2}).json()
    moved = own.call("GET", f"/ports/{OLD}/window", params={"position": seen["next"]}).json()["position"]
    rest = own.call("GET", f"/ports/{NEW}/records", params={"position": moved}).json()["items"]
    assert [item["record"]["id"] for item in rest] == ["c", "d", "e"]
    feed = own.call("GET", f"/ports/{OLD}/records", params={"limit": 3}, headers={"accept": FEED}).json()
    last = own.call("GET", f"/ports/{OLD}/window", params={"lastEventId": feed[-1]["id"]}).json()["lastEventId"]
    rest = own.call("GET", f"/ports/{NEW}/records", params={"lastEventId": last}).json()
    assert [event["data"]["id"] for event in rest] == ["d", "e"]
