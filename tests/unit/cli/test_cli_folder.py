"""Short ids inside a product's folder, and which Hansa a command talks to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hansa.cli.environments import environment_names, find_environment
from hansa.cli.folder import ProductFolder, find_folder, port_id, process_id, product_id
from hansa.errors import CallerError, HansaError, OperatorError, Unavailable

PRODUCT = """
apiVersion: v1.1.0
kind: DataProduct
id: operations.flights
outputPorts:
  - {name: departures, version: 2.1.0}
  - {name: departures, version: 1.4.0}
  - {name: delays}
inputPorts:
  - {name: hourly, customProperties: [{property: port, value: weather.stations/hourly@3, vendor: hansa}]}
"""


@pytest.fixture
def flights(tmp_path: Path) -> ProductFolder:
    (tmp_path / "product.yaml").write_text(PRODUCT)
    (tmp_path / "tests").mkdir()
    found = find_folder(tmp_path / "tests")
    assert found is not None
    return found


def test_the_folder_is_found_from_within(flights: ProductFolder, tmp_path: Path) -> None:
    assert (flights.path, flights.id) == (tmp_path, "operations.flights")
    assert find_folder(tmp_path.parent) is None


@pytest.mark.parametrize("text", ["load", ":load", "operations.flights:load"])
def test_a_process_can_be_short(flights: ProductFolder, text: str) -> None:
    assert process_id(text, flights) == "operations.flights:load"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("departures", "operations.flights/departures@2"),
        ("departures@1", "operations.flights/departures@1"),
        ("delays", "operations.flights/delays@1"),
        ("hourly", "weather.stations/hourly@3"),
        ("a.b/c@1", "a.b/c@1"),
        ("a.b/c", "a.b/c@10"),
    ],
)
def test_a_port_can_be_short_and_means_the_newest(flights: ProductFolder, text: str, whole: str) -> None:
    assert port_id(text, flights, ["a.b/c@9", "a.b/c@10", "a.b/cc@11"]) == whole


def test_a_product_can_be_left_out_or_be_of_the_same_domain(flights: ProductFolder) -> None:
    assert product_id(None, flights) == "operations.flights"
    assert product_id("crews", flights) == "operations.crews"
    assert product_id("a.b", None) == "a.b"


def test_outside_of_a_folder_ids_are_whole() -> None:
    for ask in (lambda: product_id(None, None), lambda: process_id("load", None), lambda: port_id("c", None, [])):
        with pytest.raises(CallerError) as caught:
            ask()
        assert caught.value.code == "folder.none"


def test_an_unknown_port_gets_a_suggestion(flights: ProductFolder) -> None:
    with pytest.raises(CallerError) as caught:
        port_id("a.b/cs", flights, ["a.b/c@1"])
    assert (caught.value.code, caught.value.hint) == ("port.unknown", "Did you mean 'a.b/c@1'?")


CONFIG = """
default: staging
environments:
  staging: {url: "https://staging.example.org", token_env: STAGING_TOKEN}
  production: {url: "https://example.org", token: hansa_p}
  broken: {token: x}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "environments.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return path


def test_the_nearest_choice_wins(config: Path, tmp_path: Path) -> None:
    work = tmp_path / "mesh" / "flights"
    work.mkdir(parents=True)
    variables = {"STAGING_TOKEN": "hansa_s"}

    def url(name: str | None = None) -> str:
        return find_environment(name, variables=variables, folder=work, config=config).url

    assert url() == "https://staging.example.org"
    (tmp_path / "mesh" / ".hansa").mkdir()
    (tmp_path / "mesh" / ".hansa" / "client.json").write_text('{"url": "http://local", "token": "hansa_l"}')
    assert url() == "http://local"
    variables["HANSA_URL"] = "http://variable"
    assert url() == "http://variable"
    assert url("production") == "https://example.org"


def test_a_token_from_a_variable_is_shown_as_the_variable(config: Path, tmp_path: Path) -> None:
    found = find_environment("staging", variables={"STAGING_TOKEN": "hansa_s"}, folder=tmp_path, config=config)
    assert (found.token, found.token_shown) == ("hansa_s", "$STAGING_TOKEN")
    assert "hansa_s" not in repr(found)


@pytest.mark.parametrize(
    ("name", "family", "code"),
    [("stagin", CallerError, "environment.unknown"), ("broken", OperatorError, "environment.malformed")],
)
def test_an_environment_that_cannot_be_used_is_named(
    config: Path, tmp_path: Path, name: str, family: type[HansaError], code: str
) -> None:
    with pytest.raises(family) as caught:
        find_environment(name, variables={}, folder=tmp_path, config=config)
    assert caught.value.code == code


def test_without_any_choice_it_is_unavailable(tmp_path: Path) -> None:
    none = tmp_path / "none.yaml"
    with pytest.raises(Unavailable):
        find_environment(None, variables={}, folder=tmp_path, config=none)
    assert environment_names(none) == []


def test_a_damaged_client_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / ".hansa").mkdir()
    (tmp_path / ".hansa" / "client.json").write_text("{")
    with pytest.raises(OperatorError, match=r"client\.json cannot be read"):
        find_environment(None, variables={}, folder=tmp_path, config=tmp_path / "none.yaml")
