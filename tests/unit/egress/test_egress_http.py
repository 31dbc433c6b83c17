"""What an HTTP connection refuses before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hansa.egress.exits import open_exit
from hansa.egress.http import HttpExit
from hansa.egress.interface import Call, Exit
from hansa.egress.settings import ConnectionSetting
from hansa.errors import HansaError, OperatorError


@pytest.fixture
def shop() -> Iterator[Exit]:
    opened = open_exit(ConnectionSetting("shop", "http", "https://u:pw@shop.example/api?x=1"))
    yield opened
    opened.close()


def request(path: str, **headers: str) -> Call:
    return Call("request", ["GET", path, None, {}, headers, 1.0])


@pytest.mark.parametrize(
    "path", ["http://evil.example/", "HTTPS://evil.example", "//evil.example/x", "/\\evil.example", "ftp://x", "\\\\x"]
)
def test_a_full_url_is_refused(shop: Exit, path: str) -> None:
    with pytest.raises(HansaError) as caught:
        shop.target(request(path))
    assert caught.value.code == "connection.absolute_url"


@pytest.mark.parametrize("path", ["../admin", "/a/../../admin", "/%2e%2e/admin", "/a/.%2E"])
def test_a_path_above_the_url_is_refused(shop: Exit, path: str) -> None:
    with pytest.raises(HansaError) as caught:
        shop.target(request(path))
    assert caught.value.code == "connection.path_escape"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/orders/7", "https://shop.example/api/orders/7"),
        ("orders?token=x", "https://shop.example/api/orders"),
        ("", "https://shop.example/api/"),
        ("/redirect?to=https://other.example/..", "https://shop.example/api/redirect"),
        ("a:b/c", "https://shop.example/api/a:b/c"),
    ],
)
def test_the_target_is_below_the_url_without_credentials_and_query(shop: Exit, path: str, target: str) -> None:
    assert shop.target(request(path)) == target


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_headers_that_decide_where_a_request_goes_are_refused(shop: Exit, name: str) -> None:
    with pytest.raises(HansaError) as caught:
        shop.call(request("/", **{name: "evil.example"}))
    assert caught.value.code == "connection.header"


def test_a_name_that_leads_into_the_own_network_is_not_called() -> None:
    shop = HttpExit(ConnectionSetting("shop", "http", "http://shop.example"), resolve=lambda host: ["169.254.169.254"])
    with pytest.raises(OperatorError) as caught:
        shop.call(request("/latest/meta-data"))
    assert caught.value.code == "connection.private_address"
    shop.close()


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "http://"])
def test_a_url_of_no_service_is_refused(url: str) -> None:
    with pytest.raises(OperatorError) as caught:
        open_exit(ConnectionSetting("shop", "http", url))
    assert caught.value.code == "connection.malformed"
