"""The decisions of the load generator: what is sent, what counts as an answer, what is computed, who may be called."""

import json

import pytest
from benchmarks.load import Call, equal_json, exactly, loopback_address, parse_head, percentile, with_status


def test_a_call_is_one_whole_request() -> None:
    call = Call.build("POST", "/orders?x=1", headers={"Authorization": "Bearer t"}, body=b"{}")
    head, _, body = call.wire.partition(b"\r\n\r\n")
    request_line, *fields = head.decode().split("\r\n")
    assert request_line == "POST /orders?x=1 HTTP/1.1"
    assert set(fields) == {"host: 127.0.0.1", "authorization: Bearer t", "content-length: 2"}
    assert body == b"{}"


def test_the_callers_host_replaces_the_usual_one() -> None:
    assert Call.build("GET", "/", headers={"Host": "shop.test"}).wire.count(b"host:") == 1


def test_exactly_wants_every_byte_and_the_status() -> None:
    accepts = exactly(b'{"a":1}')
    assert accepts(200, b'{"a":1}')
    assert not accepts(200, b'{"a": 1}')
    assert not accepts(202, b'{"a":1}')


@pytest.mark.parametrize("body", [b'{"b":2,"a":1}', b'{"a": 1,\n "b": 2}'])
def test_equal_json_takes_any_spelling_of_the_value(body: bytes) -> None:
    assert equal_json({"a": 1, "b": 2})(200, body)


@pytest.mark.parametrize(("status", "body"), [(500, b'{"a":1}'), (200, b'{"a":2}'), (200, b"not json"), (200, b"")])
def test_equal_json_refuses_everything_else(status: int, body: bytes) -> None:
    assert not equal_json({"a": 1})(status, body)


def test_with_status_looks_at_the_status_only() -> None:
    assert with_status(404)(404, b"whatever")
    assert not with_status(404)(200, b"whatever")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12", (200, 12, True)),
        (b"HTTP/1.1 201 Created\r\ncontent-length:0\r\nconnection: close", (201, 0, False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1", (200, 1, False)),
        (b"HTTP/1.1 204 No Content", (204, 0, True)),
    ],
)
def test_a_head_says_how_to_read_on(head: bytes, expected: tuple[int, int, bool]) -> None:
    assert parse_head(head) == expected


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", b"SSH-2.0-server 1"])
def test_a_head_that_cannot_be_followed_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"no Content-Length|not an HTTP/1\.1 answer"):
        parse_head(head)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0), (0.0, 1.0)])
def test_percentiles_are_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], share) == expected


def test_the_loopback_interface_may_be_called() -> None:
    assert loopback_address("http://127.0.0.1:8000/path") == ("127.0.0.1", 8000)


@pytest.mark.parametrize("origin", ["http://192.0.2.1:80", "http://10.0.0.1", "https://127.0.0.1", "127.0.0.1:80"])
def test_nothing_else_may_be_called(origin: str) -> None:
    with pytest.raises(ValueError, match=r"loopback|not an http"):
        loopback_address(origin)


def test_the_workload_comes_to_the_price_that_was_written_down() -> None:
    from benchmarks.workload import BODY, PRICED, add_tax, add_total, summarise

    assert summarise(add_tax(add_total(json.loads(BODY)))) == PRICED
