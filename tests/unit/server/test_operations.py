"""Operations of the API: each is decided, what it takes is declared once, and the document is made from that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any, cast

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from hansa.access.decide import Action
from hansa.access.tokens import Authenticator, TokenIssuer
from hansa.errors import CallerError
from hansa.observe.calls import CallTally
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Account
from hansa.server.api.base import Asked, Endpoint, body_of, query_of
from hansa.server.api.operations import declared
from hansa.server.openapi_api import part_of


class Wanted(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1)] = 5
    action: Action | None = None


async def decided(asked: Asked, query: Wanted) -> Any:
    """Asks first."""
    asked.allow()
    return {"limit": query.limit}


async def undecided(asked: Asked) -> Any:
    return {"secret": 1}


async def broken(asked: Asked) -> Any:
    asked.allow()
    raise ZeroDivisionError


@pytest.fixture
def asks() -> Iterator[Callable[..., httpx.Response]]:
    """Asks three operations as an admin, or with other headers."""
    registry = SqliteRegistry(None, clock_us=lambda: 1)
    registry.put_account("ada", Account("ada", admin=True))
    token = TokenIssuer(registry, b"pepper", clock_us=lambda: 1).issue("ada", "ada", "test", ["admin"]).text
    services = SimpleNamespace(calls=CallTally(), authenticator=Authenticator(registry, b"pepper", clock_us=lambda: 2))
    endpoint = Endpoint(cast("Any", services))
    made = [endpoint.route("GET", f"/{h.__name__}", h, Action.BACKUP) for h in (decided, undecided, broken)]

    async def ask(path: str, header: str) -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=[*made]))
        async with httpx.AsyncClient(transport=transport, base_url="http://hansa") as http:
            return await http.get(path, headers={"authorization": header})

    yield lambda path, header=f"Bearer {token}": asyncio.run(ask(path, header))
    registry.close()


def test_an_answer_that_nobody_decided_on_is_not_given(asks: Callable[..., httpx.Response]) -> None:
    answer = asks("/undecided")
    assert (answer.status_code, answer.json()["code"]) == (500, "access.undecided")
    assert "secret" not in answer.text
    assert asks("/decided?limit=3").json() == {"limit": 3}


def test_a_handler_is_not_reached_without_a_token(asks: Callable[..., httpx.Response]) -> None:
    for path in ("/decided", "/undecided", "/broken"):
        assert asks(path, "").json()["code"] == "access.unauthenticated"


def test_a_bug_of_ours_is_a_problem_without_its_inside(asks: Callable[..., httpx.Response]) -> None:
    answer = asks("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "hansa.internal")
    assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize(
    ("given", "path", "hint"),
    [
        ({"limitt": "3"}, "query.limitt", "Did you mean 'limit'?"),
        ({"limit": "0"}, "query.limit", "/openapi.json has its form."),
        ({"limit": ""}, "query.limit", "/openapi.json has its form."),
        ({"action": "fly"}, "query.action", "It is one of audit.read, backup, "),
    ],
)
def test_a_query_that_does_not_fit_names_the_parameter(given: dict[str, str], path: str, hint: str) -> None:
    with pytest.raises(CallerError) as caught:
        query_of(given, Wanted)
    assert [error["path"] for error in caught.value.details["errors"]] == [path]
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(("data", "code"), [(b"{", "body.not_json"), (b'{"limit": "3"}', "input.invalid")])
def test_a_body_that_does_not_fit_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(CallerError) as caught:
        body_of(data, Wanted)
    assert caught.value.code == code


def test_every_operation_is_described_with_what_it_takes() -> None:
    made = declared()
    part = part_of(made)
    paths, schemas = part["paths"], part["schemas"]
    assert sum(len(methods) for methods in paths.values()) == len(made)
    runs = {parameter["name"]: parameter for parameter in paths["/runs"]["get"]["parameters"]}
    assert runs["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert not runs["since"]["required"]
    assert paths["/lineage"]["get"]["parameters"][0] == {
        "name": "node", "in": "query", "required": True, "schema": {"type": "string"},
    }  # fmt: skip
    assert "NewAccount" in schemas
    assert "RunsQuery" not in schemas
    assert paths["/people"]["post"]["requestBody"]["required"]


def test_what_an_operation_answers_is_what_its_handler_is_annotated_with() -> None:
    paths = part_of(declared())["paths"]

    def answer(path: str, method: str, status: str = "200") -> Any:
        return paths[path][method]["responses"][status]["content"]["application/json"]["schema"]

    assert answer("/runs/{run}", "get") == {"$ref": "#/components/schemas/RunDetail"}
    assert answer("/people", "get")["properties"]["items"]["items"] == {"$ref": "#/components/schemas/PersonDetail"}
    assert answer("/events", "post", "202") == {"$ref": "#/components/schemas/EventsTaken"}
    assert answer("/processes/{process}/runs", "post", "202") == {"$ref": "#/components/schemas/Waiting"}


def test_every_answer_in_json_has_a_schema() -> None:
    free = {
        "POST /processes/{process}/runs", "GET /runs/{run}/result", "POST /runs/{run}/replay",
        "POST /quarantine/{entry}/replay",
    }  # fmt: skip
    own = (o for o in declared() if not o.path.startswith("/schema-registry"))  # its forms are those of the protocol
    unsaid = {f"{o.method} {o.template}" for o in own if o.answers.get("application/json", str) is Any}
    assert unsaid == free, "annotate the handler with what it answers"


def test_what_an_answer_has_is_always_there_and_what_is_asked_for_may_be_left_out() -> None:
    schemas = part_of(declared())["schemas"]
    assert set(schemas["ProductDetail"]["required"]) == set(schemas["ProductDetail"]["properties"])
    assert "quorum" in schemas["FlowSpec"]["required"]
    assert schemas["NewAccount"]["required"] == ["id"]
    assert schemas["RunError"]["required"] == ["code", "message"]
    assert "runs" not in schemas["Waiting"]["required"]
