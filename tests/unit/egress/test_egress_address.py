"""Which addresses a call may reach."""

from __future__ import annotations

import pytest

from hansa.egress.address import permitted
from hansa.errors import OperatorError

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "::1", "fe80::1", "fd00:ec2::254", "::ffff:10.0.0.1", "fe80::1%eth0", "224.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_leads_into_the_own_network_is_refused(address: str) -> None:
    with pytest.raises(OperatorError) as caught:
        permitted("shop.example", [], lambda host: [address])
    assert caught.value.code == "connection.private_address"
    assert "'shop.example'" in str(caught.value.hint)


def test_public_addresses_are_permitted_and_others_left_out() -> None:
    assert permitted("shop.example", [], lambda host: [PUBLIC, "10.0.0.1", "2606:4700::1111"]) == [
        PUBLIC,
        "2606:4700::1111",
    ]


@pytest.mark.parametrize("allow", [["shop.example"], ["10.0.0.0/8"], ["10.0.0.1"], ["other", "10.0.0.0/30"]])
def test_what_is_listed_is_permitted(allow: list[str]) -> None:
    assert permitted("shop.example", allow, lambda host: ["10.0.0.1"]) == ["10.0.0.1"]


@pytest.mark.parametrize("allow", [["10.0.0.2"], ["example"], ["192.168.0.0/16"], ["fd00::/8"]])
def test_what_is_listed_permits_nothing_else(allow: list[str]) -> None:
    with pytest.raises(OperatorError):
        permitted("shop.example", allow, lambda host: ["10.0.0.1"])


@pytest.mark.parametrize(("host", "address"), [("localhost", "127.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("::1", "::1")])
def test_the_address_that_the_url_itself_has_is_permitted(host: str, address: str) -> None:
    assert permitted(host, [], lambda _: [address]) == [address]
