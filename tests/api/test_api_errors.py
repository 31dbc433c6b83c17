"""Every refusal of every route is a problem document (RFC 9457) that says what happened, why and what to do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from doors import DOORS, Door, deployed, operations
from server import Server

from hansa.server.api.base import BODY_MAX_BYTES, JSON_MAX_BYTES

CODES = set(
    re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", (Path(__file__).parents[2] / "docs/reference/errors.md").read_text(), re.M)
)
OPERATIONS = operations()
UNKNOWN = {
    "product": "shop.gone", "process": "shop.orders:gone", "port": "gone@1", "run": str(uuid.uuid4()), "person": "gone",
    "domain": "gone", "token": "gone", "index": "7", "view": "gone", "entry": str(uuid.uuid4()),
    "subject": "gone-value", "version": "7", "schema": "999999",
}  # fmt: skip
WITH_IDS = [name for name, operation in OPERATIONS.items() if "{" in operation.path]
MAKING = {
    "POST /products/{product}/plan",
    "POST /products/{product}/deploy",
    "POST /schema-registry/subjects/{subject}/versions",
    "PUT /schema-registry/config/{subject}",
    "PUT /schema-registry/mode/{subject}",
}
"""What these name need not be there."""
WITH_QUERY = [name for name, o in OPERATIONS.items() if o.query and issubclass(o.query, msgspec.Struct)]
WITH_JSON = [name for name, operation in OPERATIONS.items() if operation.body is not None]
TAKING_JSON = [*WITH_JSON, "POST /events", "POST /processes/{process}/runs"]
TAKING_BYTES = [name for name, operation in OPERATIONS.items() if operation.content is not None]
PUBLIC = "GET /shop/orders/open"
MIB = 1 << 20


def problem_in(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, whose shape is whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["type"]
    for words in (found["detail"], found["hint"]):
        assert len(words) > 5
    assert re.fullmatch(r"[0-9a-f]{32}", found["trace_id"])
    assert found["code"] in CODES
    assert code in (None, found["code"])
    for error in found["errors"]:
        assert error["path"]
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", error["code"])
        assert error["message"]
    return found


def send(server: Server, name: str, **changes: Any) -> httpx.Response:
    """What the route's row says, with changes."""
    row = DOORS[name]._replace(**{part: changes.pop(part) for part in Door._fields if part in changes})
    path = row.path.format(**{name: changes.pop(name, UNKNOWN[name]) for name in ("run", "entry")})
    if row.content is not None or "content" in changes:
        return server.http.request(name.partition(" ")[0], path, content=row.content, **changes)
    return server.http.request(name.partition(" ")[0], path, json=row.json, **changes)


@pytest.mark.parametrize("name", set(WITH_IDS) - MAKING)
def test_an_id_that_there_is_not_is_named(name: str, shop: Server) -> None:
    path = re.sub(r"\{(\w+)\}", lambda match: UNKNOWN[match[1]], OPERATIONS[name].template)
    found = problem_in(send(shop, name, path=path), 404)
    assert any(unknown in found["detail"] + found["hint"] for unknown in UNKNOWN.values())


@pytest.mark.parametrize("name", WITH_IDS)
def test_an_id_that_cannot_be_is_refused(name: str, shop: Server) -> None:
    path = re.sub(r"\{\w+\}", "No%20Such!", OPERATIONS[name].template)
    answer = send(shop, name, path=path)
    assert answer.status_code in (400, 404), answer.text
    problem_in(answer, answer.status_code)


@pytest.mark.parametrize("name", WITH_QUERY)
def test_a_query_parameter_that_there_is_not_is_refused_with_its_path(name: str, shop: Server) -> None:
    found = problem_in(send(shop, name, path=f"{DOORS[name].path.partition('?')[0]}?limitt=3"), 422, "query.malformed")
    assert [error["path"] for error in found["errors"]] == ["query.limitt"]


@pytest.mark.parametrize("name", WITH_QUERY)
def test_a_query_parameter_of_a_wrong_type_is_refused_with_its_path(name: str, shop: Server) -> None:
    kind = OPERATIONS[name].query
    typed = [f.name for f in msgspec.structs.fields(kind) if f.name in ("limit", "depth", "wait_s", "dry", "follow")]
    for field in typed:
        path = f"{DOORS[name].path.partition('?')[0]}?node=a&{field}=much"
        path = path.replace("node=a&", "" if "node" not in kind.__struct_fields__ else "node=a&")
        found = problem_in(send(shop, name, path=path), 422, "query.malformed")
        assert [error["path"] for error in found["errors"]] == [f"query.{field}"]


@pytest.mark.parametrize("name", WITH_JSON)
def test_a_body_of_a_wrong_type_is_refused_with_its_path(name: str, shop: Server) -> None:
    found = problem_in(send(shop, name, json=[1]), 422, "input.invalid")
    assert [error["path"] for error in found["errors"]] == ["body"]


@pytest.mark.parametrize("name", TAKING_JSON)
def test_a_body_that_is_not_json_is_refused(name: str, shop: Server) -> None:
    problem_in(send(shop, name, content=b"{not json"), 400, "body.not_json")


@pytest.mark.parametrize("name", DOORS.keys() - {PUBLIC})
def test_without_a_token_every_route_says_how_to_bring_one(name: str, shop: Server, run: str) -> None:
    answer = send(shop, name, headers={"authorization": ""}, run=run)
    problem_in(answer, 401, "access.unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["Basic abc", "Bearer", "Bearer nonsense", "Bearer hansa_" + "a" * 50])
def test_a_token_that_is_none_is_refused_at_both_doors(token: str, shop: Server) -> None:
    for name in ("GET /products", "POST /shop/orders/orders", PUBLIC):
        problem_in(send(shop, name, headers={"authorization": token}), 401, "access.unauthenticated")


@pytest.mark.parametrize("name", DOORS)
def test_who_may_not_is_told_what_it_takes(
    name: str, shop: Server, tokens: dict[str, str | None], run: str, entry: str
) -> None:
    if "l" not in DOORS[name].who:
        answer = send(shop, name, headers={"authorization": f"Bearer {tokens['limited']}"}, run=run, entry=entry)
        assert "it takes " in problem_in(answer, 403, "access.denied")["detail"]


@pytest.mark.parametrize("name", WITH_JSON)
def test_a_json_body_that_is_too_large_is_refused(name: str, shop: Server) -> None:
    content = b'"' + b"x" * JSON_MAX_BYTES + b'"'
    problem_in(send(shop, name, content=content), 413, "body.too_large")


@pytest.mark.slow
@pytest.mark.parametrize("name", TAKING_BYTES)
def test_any_other_body_that_is_too_large_is_refused(name: str, shop: Server) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(BODY_MAX_BYTES // MIB + 1):
            yield b"x" * MIB

    problem_in(send(shop, name, content=parts()), 413, "body.too_large")


def test_a_deployed_route_has_the_limit_that_its_author_gave_it(shop: Server) -> None:
    problem_in(send(shop, "POST /shop/orders/bytes", content=b"x" * 1001), 413, "body.too_large")
    assert send(shop, "POST /shop/orders/bytes", content=b"x" * 1000).json() == 1000


@pytest.mark.parametrize("name", ["POST /shop/orders/orders", "POST /shop/orders/form"])
def test_a_deployed_route_refuses_what_does_not_fit_with_the_path_of_the_field(name: str, shop: Server) -> None:
    problem_in(send(shop, name, content=b"{not json"), 400, "body.not_json")
    field = {"POST /shop/orders/orders": "count", "POST /shop/orders/form": "age"}[name]
    found = problem_in(send(shop, name, json={**DOORS[name].json, field: []}), 422, "input.invalid")
    assert [error["path"] for error in found["errors"]] == [f"body.{field}"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_parameters_of_a_deployed_route_are_refused_by_name(method: str, shop: Server) -> None:
    answer = shop.http.request(method, "/shop/orders/typed/one?day=sun&loud=very")
    found = problem_in(answer, 422, "input.invalid")
    assert [error["path"] for error in found["errors"]] == ["path.number", "query.day", "query.loud"]


@pytest.mark.parametrize("name", DOORS)
def test_a_method_that_a_route_has_not_is_refused_with_those_that_it_has(name: str, shop: Server) -> None:
    answer = shop.http.request("TRACE", DOORS[name].path)
    problem_in(answer, 405, "route.method")
    assert name.partition(" ")[0] in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("path", ["/nothing", "/runs/a/b/c", "/shop/orders/nothing", "/shop", "/shop/orders/"])
def test_a_path_that_there_is_not_is_refused(path: str, shop: Server) -> None:
    problem_in(shop.http.get(path), 404, "route.unknown")


def test_a_problem_tells_the_trace_that_its_caller_brought(shop: Server) -> None:
    trace = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    for path in ("/products/shop.gone", "/nothing", "/shop/orders/nothing", "/shop/orders/typed/one"):
        assert shop.http.get(path, headers=headers).json()["trace_id"] == trace, path


def test_a_product_has_every_route_that_this_walks(shop: Server) -> None:
    assert deployed(shop) == DOORS.keys() - OPERATIONS.keys()


def test_the_text_null_is_no_value_of_a_query_parameter(shop: Server) -> None:
    found = problem_in(shop.http.get("/products?state=null"), 422, "query.malformed")
    assert [error["path"] for error in found["errors"]] == ["query.state"]
    assert "deprecated" in found["hint"]
