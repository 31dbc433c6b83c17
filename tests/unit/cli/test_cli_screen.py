"""What commands show, and the curl that a deployment ends with."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest

from hansa.cli.commands.deployment import deploy_lines, plan_lines
from hansa.cli.commands.running import run_lines
from hansa.cli.curl import curl, example
from hansa.cli.screen import Column, Screen, facts, fitted, moment

ROWS = [{"id": "a", "n": 1}, {"id": "b\nc", "n": None}]
COLUMNS = (Column("id", "id"), Column("twice", lambda row: row["n"] and row["n"] * 2))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("out", "shown"), [(io.StringIO(), "a\t2\nb c\t\n")])
def test_pipes_get_lines_with_tabs(out: io.StringIO, shown: str) -> None:
    Screen(out, io.StringIO()).table(ROWS, COLUMNS, empty="None")
    assert out.getvalue() == shown


def test_terminals_get_a_table_with_a_head() -> None:
    out = Terminal()
    Screen(out, io.StringIO()).table(ROWS, COLUMNS, empty="None")
    words = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).split()
    assert words[:2] == ["id", "twice"]


@pytest.mark.parametrize(
    ("room", "widths"),
    [(100, [10, 5, 40]), (50, [10, 5, 26]), (48, [10, 5, 24]), (47, [10, 5]), (16, [10]), (5, [10])],
)
def test_columns_without_room_are_left_out_and_the_last_is_wrapped_only_while_it_can_be_read(
    room: int, widths: list[int]
) -> None:
    assert fitted([10, 5, 40], room) == widths


def test_a_terminal_is_told_what_has_no_room_and_gets_no_empty_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out, err = Terminal(), io.StringIO()
    rows = [{"id": "a" * 20, "none": "", "why": "long " * 20}]
    Screen(out, err).table(rows, (Column("id", "id"), Column("none", "none"), Column("why", "why")), empty="None")
    assert "none" not in out.getvalue()
    assert "a" * 20 in out.getvalue()
    assert err.getvalue() == "No room for why: a wider terminal shows them, and so does --json.\n"


def test_programs_get_all_fields() -> None:
    out = io.StringIO()
    Screen(out, io.StringIO(), as_json=True).table(ROWS, COLUMNS, empty="None")
    assert json.loads(out.getvalue()) == ROWS


def test_an_empty_table_says_what_to_do_beside_the_answer() -> None:
    out, err = io.StringIO(), io.StringIO()
    Screen(out, err).table([], COLUMNS, empty="Make one.")
    assert (out.getvalue(), err.getvalue()) == ("", "Make one.\n")


def test_times_read_alike_in_both_forms() -> None:
    assert moment(1_767_225_600_000_000) == moment("2026-01-01T00:00:00.123Z") == "2026-01-01 00:00:00Z"
    assert moment("2026-01-01T02:00:00+02:00") == "2026-01-01 00:00:00Z"
    assert moment(None) == ""


def test_facts_leave_out_what_is_not_there() -> None:
    assert facts({"a_b": [1, 2], "c": None, "d": True, "e": {}}, ("d", "a_b", "c", "e", "f")) == ["d: yes", "a b: 1, 2"]


class Line(msgspec.Struct):
    count: int
    note: str = "none"


class Order(msgspec.Struct):
    name: str
    lines: list[Line]
    limit: float | None


def test_the_example_fits_its_schema() -> None:
    assert msgspec.convert(example(msgspec.json.schema(Order)), Order).lines == [Line(1)]


def test_the_example_of_a_type_within_itself_ends() -> None:
    schema: dict[str, Any] = {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}},
    }
    assert "None" in str(example(schema))


def _spec(**trigger: Any) -> dict[str, Any]:
    http = {"kind": "http", "method": "POST", "path": "/a/b", "public": False, "body": "json", "body_schema": None}
    query = {"name": "day", "source": "query", "required": True, "schema": {"type": "string", "format": "date"}}
    steps = [{"parameters": [query]}]
    hard = {"kind": "http", "method": "GET", "path": "/a/{b}", "public": True, "body": "none"}
    return {"processes": [{"triggers": [{"kind": "manual"}, hard, {**http, **trigger}], "steps": steps}]}


def test_curl_calls_the_easiest_route_whole() -> None:
    schema = msgspec.json.schema(Line)
    assert curl("http://h", _spec(body_schema=schema), "hansa_it's") == (
        "curl -X POST -H 'Authorization: Bearer hansa_it'\"'\"'s' -H 'Content-Type: application/json' "
        """-d '{"count":1}' 'http://h/a/b?day=2026-01-31'"""
    )


def test_curl_leaves_variables_to_the_shell_and_public_routes_bare() -> None:
    assert '-H "Authorization: Bearer $HANSA_TOKEN"' in (curl("http://h", _spec(), "$HANSA_TOKEN") or "")
    assert "Authorization" not in (curl("http://h", _spec(public=True), "$HANSA_TOKEN") or "")
    assert curl("http://h", {"processes": []}, None) is None


def test_a_deployment_ends_with_how_to_undo_it() -> None:
    done = {
        "product": "a.b", "created": True, "changed": True, "revision": "r2", "seconds": 0.5, "ports": ["a.b/c@1"],
        "routes": [{"method": "GET", "url": "http://h/a/b"}], "try": "curl http://h/a/b", "undo": "hansa rollback a.b",
    }  # fmt: skip
    assert list(deploy_lines(done)) == [
        "a.b is live: revision r2 (0.50 s)",
        "  GET http://h/a/b",
        "  a.b/c@1",
        "try: curl http://h/a/b",
        "undo: hansa rollback a.b",
    ]


PLAN = {
    "changes": [{"kind": "breaking", "what": "port", "id": "a.b/c@1", "text": "c loses d"}],
    "consumers": [
        {"port": "a.b/c@1", "depth": 1, "who": "e.f:g", "kind": "process", "verdict": "breaks", "because": "it uses d",
         "by": "subscription", "fields": ["d"], "last_us": 1_000_000},
        {"port": "a.b/c@1", "depth": 1, "who": "ann", "kind": "account", "verdict": "may_break", "by": "api",
         "because": "it may use d", "token": "t1"},
        {"port": "a.b/c@1", "depth": 2, "who": "h.i:j", "kind": "process", "verdict": "downstream",
         "because": "it reads e.f/k@1"},
    ],
    "expectations": [
        {"port": "a.b/c@1", "consumer": "e.f", "field": "d", "tried": "contract", "failures": ["d is gone"]},
    ],
    "consents": [{"port": "a.b/c@1", "kind": "domain", "of": "e", "readers": ["e.f:g"], "given_by": "olga"},
                 {"port": "a.b/c@1", "kind": "account", "of": "ann"}],
    "findings": [{"message": "c loses d; hits e.f:g"}],
    "notes": ["product.yaml says draft"],
    "revision": "r",
    "hash": "h",
}  # fmt: skip


def test_a_plan_marks_what_breaks_and_names_whom() -> None:
    assert list(plan_lines("a.b", PLAN)) == [
        "note: product.yaml says draft",
        "! port: c loses d",
        "consumers:",
        "  ! e.f:g uses d of a.b/c@1 (subscription, last read 1970-01-01 00:00:01Z): breaks: it uses d",
        "  ? ann with the token t1 may use all of a.b/c@1 (api): may break: it may use d",
        "  > h.i:j, 1 further on: it reads e.f/k@1",
        "expectations of consumers:",
        "  ! e.f, d (contract): d is gone",
        "consents that it takes:",
        "  a.b/c@1: domain e for e.f:g: given by olga",
        "  a.b/c@1: account ann: missing",
        "hansa deploy refuses it; it takes the consents, a new major, or an owner's --accept-breaking REASON:",
        "  c loses d; hits e.f:g",
    ]
    last = list(plan_lines("a.b", {**PLAN, "findings": []}))[-1]
    assert last == "hansa deploy --plan h makes it live as revision r"
    nothing = {**PLAN, "changes": [], "notes": []}
    assert list(plan_lines("a.b", nothing)) == ["a.b is live as it is here: revision r"]


def test_a_failed_run_shows_the_authors_frames() -> None:
    error = {"code": "run.raised", "message": "boom", "traceback": '  File "product.py", line 3\nKeyError'}
    logic = [{"name": "clean", "state": "failed", "duration_ms": 1.5, "error": None}]
    found = {"id": "r", "state": "failed", "logic": logic, "error": error, "output": "one\ntwo\n"}
    assert list(run_lines(found)) == [
        "id: r", "state: failed", "  clean  failed  1.5", "error: boom [run.raised]", '  File "product.py", line 3',
        "KeyError", "output:", "one", "two",
    ]  # fmt: skip
