"""Two judges that nobody here wrote: openapi-spec-validator reads the document, schemathesis calls what it tells."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from server import Server, running

load_all_checks()
PRODUCTS = Path(__file__).parent / "products"
EXAMPLES = {GenerationMode.POSITIVE: 10, GenerationMode.NEGATIVE: 5}
"""How many requests each operation gets in each test."""
NOT_CALLED = {"/events/follow": "it never ends", "/backup": "it writes wherever it is told to"}
HAVE_A_GRAMMAR = {
    "/products/{product}/plan": "a bundle",
    "/products/{product}/deploy": "a bundle",
    "/products/{product}/rollback": "the hash of a revision",
    "/runs": "the cursor of a page",
    "/dead_letters": "the cursor of a page",
    "/quarantine": "the cursor of a page",
    "/ports/{product}/{port}/records": "a condition, a position",
    "/ports/{product}/{port}/lookup": "the key of the contract",
    "/ports/shop.orders/stock@1/records": "a condition, a position",
    "/ports/shop.orders/stock@1/lookup": "a token",
    "/events": "a condition, an event",
    "/events/search": "a condition",
    "/events/count": "a condition",
    "/events/patterns": "a condition",
    "/lineage": "the id of a node",
    **dict.fromkeys(
        [
            "/schema-registry/subjects/{subject}",
            "/schema-registry/subjects/{subject}/versions",
            "/schema-registry/subjects/{subject}/versions/{version}",
            "/schema-registry/compatibility/subjects/{subject}/versions",
            "/schema-registry/compatibility/subjects/{subject}/versions/{version}",
        ],
        "a schema, and the subject of a port that has no other",
    ),
    **dict.fromkeys(["/schema-registry/config", "/schema-registry/config/{subject}"], "the words of levels"),
    **dict.fromkeys(["/schema-registry/mode", "/schema-registry/mode/{subject}"], "the words of modes"),
}
"""What a schema cannot say of these: they may refuse what fits it."""
LENIENT = {
    "/shop/orders/later": "an asynchronous call is accepted before its body is looked at",
    "/shop/orders/typed/{number}": "a product may read more of the query than its parameters",
    "/shop/orders/bytes": "anything is bytes",
    "/runs": "a time may be a date, and a boolean 1 or 0",
    "/dead_letters": "a time may be a date",
    "/ports/shop.orders/stock@1/records": "a time may be a date",
    "/audit": "a number that may be left out may be null",
    "/processes/{process}/runs": "a boolean may be 1 or 0",
}
"""These may take what does not fit their schema."""
KNOWN = {
    "product": "depot.parts", "port": "stock@1", "process": "depot.parts:parts", "domain": "depot", "index": 0,
    "person": "guest", "subject": "shop-orders-stock-v1-value", "version": "latest", "schema": 1,
}  # fmt: skip
"""Ids that there are, for a part of the requests: with others most of the API only says that it does not know them."""


TAKEN = ["2xx", "3xx", "401", "403", "404", "409", "410", "429", "5xx"]
"""What may answer a request that fits: what it speaks of may be gone."""


def _callable(document: dict[str, Any]) -> dict[str, Any]:
    """Without what has no end: the paths of `NOT_CALLED`, and output that is followed. Every call has a token: who may
    do without is another test's matter."""
    found = copy.deepcopy(document)
    for operation in (operation for path in found["paths"].values() for operation in path.values()):
        operation["security"] = []
    for path in NOT_CALLED:
        del found["paths"][path]
    output = found["paths"]["/output"]["get"]
    output["parameters"] = [p for p in output["parameters"] if p["name"] != "follow"]
    return found


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Hansa to which anything may happen: its products are retired, its domains renamed."""
    with running(tmp_path_factory.mktemp("wild") / "data") as server:
        server.deploy(PRODUCTS / "shop", "shop.orders")
        server.deploy(PRODUCTS / "depot", "depot.parts")
        server.call("POST", "/people", {"id": KNOWN["person"]}).raise_for_status()
        yield server


@schemathesis.serializer("application/x-tar")
def as_it_is(context: Any, value: Any) -> bytes:
    """Any bytes for a bundle: none of them is one."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_the_document_says(mode: GenerationMode, wild: Server) -> None:
    schema = schemathesis.openapi.from_dict(_callable(wild.http.get("/openapi.json").json()))
    schema.config.update(base_url=wild.url)
    schema.config.checks.positive_data_acceptance.expected_statuses = TAKEN
    told = []
    for found in schema.get_all_operations():
        try:
            _call(found.ok(), mode, wild)
        except FailureGroup as failures:
            told += [f"{found.ok().label}: {failure}" for failure in failures.exceptions]
    assert told == [], "\n\n".join(told)


def _has_whole_float(value: Any) -> bool:
    """3.0 is an integer to JSON Schema, and not to Hansa."""
    if isinstance(value, dict | list):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


def _call(operation: Any, mode: GenerationMode, wild: Server) -> None:
    """Calls one operation with what fits its description, or with what does not."""
    random.seed(0)  # schemathesis draws from it beside what hypothesis draws
    excluded = ["positive_data_acceptance"] if operation.path in HAVE_A_GRAMMAR else []
    excluded += ["negative_data_rejection"] if operation.path in LENIENT else []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES[mode], deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def called(case: Any) -> None:
        assume(not _has_whole_float(case.body))
        if mode.is_positive and operation.path != "/products/{product}/retire":
            for name in (case.path_parameters or {}).keys() & KNOWN.keys():
                if len(str(case.path_parameters[name])) % 2:
                    case.path_parameters[name] = KNOWN[name]
        headers = {"Authorization": f"Bearer {wild.token}"}
        case.call_and_validate(
            headers=headers,
            timeout=20,
            checks=CHECKS.get_by_names([name for name in CHECKS.get_all_names() if name not in excluded]),
        )

    try:
        called()
    except Unsatisfiable:  # there is no way to break what takes nothing
        assert mode.is_negative


def test_the_document_is_openapi_3_1(shop: Server) -> None:
    document = shop.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_a_document_shows_what_its_reader_may_see(shop: Server, tokens: dict[str, str | None]) -> None:
    """The whole table: who asks, which of these paths are told. `/openapi.json` itself is open to everyone."""
    open_to_all, own, port = "/shop/orders/open", "/shop/orders/orders", "/ports/shop.orders/stock@1/records"
    for who, wanted in {
        "nobody": {open_to_all}, "limited": {open_to_all}, "reader": {open_to_all, own, port},
        "stranger": {open_to_all, own, port},
    }.items():  # fmt: skip
        headers = {"authorization": f"Bearer {tokens[who]}"} if tokens[who] else {}
        paths = httpx.get(f"{shop.url}/openapi.json", headers=headers).json()["paths"]
        assert paths.keys() & {open_to_all, own, port} == wanted, who
        assert "/runs/{run}" in paths
    assert httpx.get(f"{shop.url}/openapi.json", headers={"authorization": "Bearer none"}).status_code == 401


def test_streams_are_told_to_whom_they_are_open(shop: Server, tokens: dict[str, str | None]) -> None:
    answer = shop.http.get("/asyncapi.json")
    assert answer.headers["content-type"] == "application/vnd.aai.asyncapi+json;version=3.1.0"
    assert "shop.orders.stock.v1" in answer.json()["channels"]
    limited = {"authorization": f"Bearer {tokens['limited']}"}
    assert httpx.get(f"{shop.url}/products/depot.parts/asyncapi", headers=limited).json()["channels"] == {}
    assert httpx.get(f"{shop.url}/products/shop.orders/asyncapi", headers=limited).status_code == 403


@pytest.mark.parametrize("product", ["shop.orders", "depot.parts"])
def test_the_document_of_a_product_is_openapi_3_1_and_its_own(product: str, shop: Server) -> None:
    document = shop.http.get(f"/products/{product}/openapi").json()
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert {operation["tags"][0] for path in document["paths"].values() for operation in path.values()} == {product}
    assert "RunDetail" not in document["components"]["schemas"]


@pytest.mark.parametrize("media", ["application/json", "application/cloudevents-batch+json"])
def test_records_are_what_the_document_says(media: str, shop: Server) -> None:
    """A page and a feed with a record in it, against the schemas as a validator that nobody here wrote reads them."""
    shop.call("POST", "/shop/orders/orders", {"item": "documented"}).raise_for_status()
    document = shop.http.get("/products/shop.orders/openapi").json()
    path = "/ports/shop.orders/stock@1/records"
    schema = document["paths"][path]["get"]["responses"]["200"]["content"][media]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    found = shop.http.get(path, headers={"accept": media}).json()
    records = found if isinstance(found, list) else found["items"]
    assert records
    validator.validate(found)
    next(r["data"] if "data" in r else r["record"] for r in records)["item"] = 1
    assert not validator.is_valid(found)


def test_the_document_has_all_routes_of_the_api_and_of_the_products(shop: Server) -> None:
    paths = shop.http.get("/openapi.json").json()["paths"]
    assert {"/runs/{run}", "/people/{person}", "/shop/orders/orders", "/depot/parts/parts"} <= paths.keys()
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))
