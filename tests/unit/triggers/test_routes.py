"""Routes: literal segments before parameters, several processes on one route, and routes that are taken."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hansa.errors import PlanError
from hansa.model.product import HttpTrigger, ManualTrigger, ProcessSpec, ProductSpec
from hansa.runtime.live import LiveProcess
from hansa.triggers.routes import Routes, check_taken, http_triggers, shape


def product(product_id: str, **routes: str) -> ProductSpec:
    """A product with a process for each route."""
    return ProductSpec(
        product_id,
        product_id,
        processes=tuple(
            ProcessSpec(
                name,
                (),
                (ManualTrigger(), HttpTrigger(route.partition(" ")[0], route.partition(" ")[2])),
                file="product.py",
                line=7,
            )
            for name, route in routes.items()
        ),
    )


def table(*products: ProductSpec) -> Routes:
    """Live processes stand in it by their names: a table only hands them out."""
    return Routes((spec, cast("dict[str, LiveProcess]", {p.name: p.name for p in spec.processes})) for spec in products)


def matched(routes: Routes, method: str, path: str) -> tuple[list[Any], dict[str, str]] | None:
    found = routes.match(method, path)
    return None if found is None else ([live for live, _ in found[0].starts], found[1])


def test_a_literal_route_is_found_by_method_and_path() -> None:
    routes = table(product("shop.orders", place="POST /orders", show="GET /orders"))
    assert matched(routes, "POST", "/orders") == (["place"], {})
    assert matched(routes, "GET", "/orders") == (["show"], {})
    assert matched(routes, "PUT", "/orders") is None
    assert matched(routes, "GET", "/orders/7") is None
    assert matched(routes, "GET", "/") is None


def test_parameters_are_given_by_name_as_they_came() -> None:
    routes = table(product("shop.orders", line="GET /orders/{order}/lines/{line}"))
    assert matched(routes, "GET", "/orders/a%20b/lines/3") == (["line"], {"order": "a%20b", "line": "3"})
    assert matched(routes, "GET", "/orders//lines/3") is None


def test_a_literal_segment_wins_over_a_parameter() -> None:
    routes = table(product("shop.orders", one="GET /orders/{order}", all="GET /orders/all"))
    assert matched(routes, "GET", "/orders/all") == (["all"], {})
    assert matched(routes, "GET", "/orders/7") == (["one"], {"order": "7"})


def test_a_literal_that_leads_nowhere_gives_way_to_the_parameter() -> None:
    routes = table(
        product("shop.orders", lines="GET /orders/{order}/lines", all="GET /orders/all", put="PUT /orders/x")
    )
    assert matched(routes, "GET", "/orders/all/lines") == (["lines"], {"order": "all"})
    assert matched(routes, "GET", "/orders/x") is None


def test_each_method_has_its_own_names() -> None:
    routes = table(product("shop.orders", get="GET /orders/{a}", put="PUT /orders/{b}"))
    assert matched(routes, "GET", "/orders/7") == (["get"], {"a": "7"})
    assert matched(routes, "PUT", "/orders/7") == (["put"], {"b": "7"})


def test_processes_of_one_route_start_together_in_the_order_of_the_file() -> None:
    routes = table(product("shop.orders", b="GET /shared", a="GET /shared"))
    assert matched(routes, "GET", "/shared") == (["b", "a"], {})
    assert [(route.method, route.path, route.product) for route in routes.routes] == [("GET", "/shared", "shop.orders")]


def test_the_first_process_says_how_to_answer() -> None:
    first, second = HttpTrigger("GET", "/shared", encapsulated=True), HttpTrigger("GET", "/shared")
    spec = ProductSpec(
        "shop.orders", "Orders", processes=(ProcessSpec("b", (), (first,)), ProcessSpec("a", (), (second,)))
    )
    assert table(spec).routes[0].trigger is first


def test_the_methods_of_a_path_are_those_of_every_route_that_fits() -> None:
    routes = table(product("shop.orders", one="GET /orders/{order}", all="PUT /orders/all", root="POST /orders"))
    assert routes.methods("/orders/all") == ["GET", "PUT"]
    assert routes.methods("/orders/7") == ["GET"]
    assert routes.methods("/nothing") == []


def test_the_names_of_parameters_do_not_make_two_routes() -> None:
    assert shape("GET", "/a/{x}/b") == shape("GET", "/a/{y}/b/")
    assert shape("GET", "/a/{x}") != shape("GET", "/a/x")
    assert shape("GET", "/a") != shape("PUT", "/a")


def test_a_route_of_another_product_is_refused_with_its_place() -> None:
    mine, other = product("shop.orders", one="GET /orders/{a}"), product("old.orders", it="GET /orders/{b}")
    with pytest.raises(PlanError) as caught:
        check_taken(mine, [other])
    assert caught.value.code == "route.taken"
    (finding,) = caught.value.details["findings"]
    assert finding["message"] == "GET /orders/{a} belongs to old.orders"
    assert (finding["file"], finding["line"]) == ("product.py", 7)
    assert "/shop/orders" in finding["hint"]


def test_a_product_may_keep_its_own_routes_and_take_free_ones() -> None:
    mine = product("shop.orders", one="GET /orders/{a}")
    check_taken(mine, [mine, product("old.orders", put="PUT /orders/{a}", other="GET /orders")])


def test_only_http_triggers_are_routes() -> None:
    spec = product("shop.orders", one="GET /a")
    assert http_triggers(spec) == [("GET", "/a", spec.processes[0])]
