"""Connections and secrets of an environment: who may use what, where secrets come from, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from hansa.egress.settings import ConnectionSetting, MemorySettings, Scoped, Settings
from hansa.egress.settings_file import FileSettings
from hansa.errors import OperatorError

FLIGHTS = "operations.flights"
SHOP = """\
all:
  shop: {type: http, url: 'https://shop.example'}
"""


class Folder:
    """A data folder whose settings files a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(mode)

    def settings(self, environment: Mapping[str, str] | None = None) -> FileSettings:
        return FileSettings(self.path, environment or {})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def refusal(settings: Settings, name: str = "shop") -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        settings.connection(FLIGHTS, name)
    return caught.value


def test_the_nearest_setting_wins(folder: Folder) -> None:
    folder.write(
        "connections.yaml",
        """\
all:
  shop: {type: http, url: 'https://all.example'}
  mail: {type: mail, url: 'smtp://mail.example', from: a@example.org}
domains:
  operations:
    shop: {type: http, url: 'https://domain.example'}
products:
  operations.flights:
    shop: {type: http, url: 'https://product.example'}
""",
    )
    settings = folder.settings()
    found = {
        product: settings.connection(product, "shop").url for product in (FLIGHTS, "operations.crews", "weather.h")
    }
    assert found == {
        FLIGHTS: "https://product.example",
        "operations.crews": "https://domain.example",
        "weather.h": "https://all.example",
    }
    assert settings.connections(FLIGHTS) == ("mail", "shop")


def test_every_part_of_a_connection_is_read(folder: Folder) -> None:
    folder.write(
        "connections.yaml",
        """\
all:
  shop:
    type: http
    url: https://shop.example/api
    user: reader
    secret: {env: SHOP_SECRET}
    header: X-Api-Key
    headers: {X-Tenant: hansa, X-Token: {secret: token}}
    allow: [10.0.0.0/8]
""",
        0o600,
    )
    folder.write("secrets.yaml", "products:\n  operations.flights:\n    token: {file: token.txt}\n")
    folder.write("token.txt", "t0ken\n")
    assert folder.settings({"SHOP_SECRET": "s3cret"}).connection(FLIGHTS, "shop") == ConnectionSetting(
        "shop",
        "http",
        "https://shop.example/api",
        user="reader",
        secret="s3cret",
        header="X-Api-Key",
        headers={"X-Tenant": "hansa", "X-Token": "t0ken"},
        allow=("10.0.0.0/8",),
        base=folder.path,
    )


def test_without_files_there_is_nothing(folder: Folder) -> None:
    settings = folder.settings()
    assert settings.connections(FLIGHTS) == ()
    assert settings.secrets(FLIGHTS) == {}
    error = refusal(settings)
    assert error.code == "connection.unknown"
    assert "connections.yaml" in str(error.hint)


def test_an_unknown_connection_names_the_nearest(folder: Folder) -> None:
    folder.write("connections.yaml", SHOP)
    assert refusal(folder.settings(), "shpo").hint == "Did you mean 'shop'?"


def test_changed_files_are_read_again(folder: Folder) -> None:
    folder.write("connections.yaml", SHOP)
    settings = folder.settings()
    assert settings.connection(FLIGHTS, "shop").url == "https://shop.example"
    folder.write("connections.yaml", SHOP.replace("shop.example", "other.example"))
    assert settings.connection(FLIGHTS, "shop").url == "https://other.example"
    (folder.path / "connections.yaml").unlink()
    assert refusal(settings).code == "connection.unknown"


def test_a_secret_file_is_read_at_each_use(folder: Folder) -> None:
    folder.write("secrets.yaml", "all:\n  token: {file: token.txt}\n")
    folder.write("token.txt", "one")
    settings = folder.settings()
    assert settings.secrets(FLIGHTS) == {"token": "one"}
    folder.write("token.txt", "two")
    assert settings.secrets(FLIGHTS) == {"token": "two"}


def test_secrets_are_for_whom_they_are_given_to(folder: Folder) -> None:
    folder.write("secrets.yaml", "domains:\n  operations: {token: s3cret}\n")
    assert folder.settings().secrets(FLIGHTS) == {"token": "s3cret"}
    assert folder.settings().secrets("weather.hourly") == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_plain_secret_that_others_may_read_is_refused(folder: Folder, mode: int) -> None:
    folder.write("secrets.yaml", "all: {token: s3cret}\n", mode)
    with pytest.raises(OperatorError) as caught:
        folder.settings().secrets(FLIGHTS)
    assert caught.value.code == "secret.exposed"
    assert "chmod 600 secrets.yaml" in str(caught.value.hint)
    assert "s3cret" not in str(caught.value)


def test_files_without_plain_secrets_may_be_read_by_all(folder: Folder) -> None:
    folder.write("connections.yaml", "all:\n  shop: {type: http, url: 'https://s', secret: {env: S}}\n", 0o644)
    assert folder.settings({"S": "x"}).connection(FLIGHTS, "shop").secret == "x"


@pytest.mark.parametrize("secret", ["{env: ABSENT}", "{file: absent.txt}", "{secret: absent}"])
def test_a_secret_that_is_not_there_is_said(folder: Folder, secret: str) -> None:
    folder.write("connections.yaml", f"all:\n  shop: {{type: http, url: 'https://s', secret: {secret}}}\n")
    error = refusal(folder.settings())
    assert error.code == "secret.missing"
    assert "all.shop.secret" in error.message
    assert "absent" in error.message.lower()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("all: {shop: {type: ftp, url: 'x'}}", "connections.yaml: all.shop.type"),
        ("all: {shop: {type: http}}", "connections.yaml: all.shop.url"),
        ("all: {shop: {type: http, url: 7}}", "connections.yaml: all.shop.url"),
        ("all: {shop: {type: http, uri: 'x'}}", "connections.yaml: all.shop.uri"),
        ("all: {shop: {type: http, url: 'x', allow: 10.0.0.1}}", "connections.yaml: all.shop.allow"),
        ("all: {shop: {type: http, url: 'x', secret: [s3cret]}}", "connections.yaml: all.shop.secret"),
        ("all: {shop: {type: http, url: 'x', secret: {vault: s3cret}}}", "connections.yaml: all.shop.secret.vault"),
        ("all: {shop: {type: http, url: 'x', headers: {A: 1}}}", "connections.yaml: all.shop.headers.A"),
        ("products: {operations.flights: [shop]}", "connections.yaml: products.operations.flights"),
        ("product: {}", "connections.yaml.product"),
        ("- shop", "connections.yaml"),
        ("all:\n  shop: {type: http\n", "connections.yaml line 3"),
        ("all:\n  shop: 1\n  shop: 2\n", "connections.yaml line 3"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_by_its_place(folder: Folder, text: str, place: str) -> None:
    folder.write("connections.yaml", text)
    error = refusal(folder.settings())
    assert error.code == "connection.malformed"
    assert error.details["place"] == place
    assert error.hint
    assert "s3cret" not in str(error)


def test_a_mended_file_serves_again(folder: Folder) -> None:
    folder.write("connections.yaml", "all: [")
    settings = folder.settings()
    assert refusal(settings).code == refusal(settings).code == "connection.malformed"
    folder.write("connections.yaml", SHOP)
    assert settings.connection(FLIGHTS, "shop").kind == "http"


def test_a_setting_does_not_show_its_secrets() -> None:
    setting = ConnectionSetting("db", "sql", "postgresql://u:pw@host/db", secret="s3cret", headers={"A": "t0ken"})
    assert setting.secrets() == {"pw", "s3cret", "t0ken"}
    assert "s3cret" not in repr(setting)
    assert "t0ken" not in repr(setting)
    assert "pw@" not in repr(setting)


def test_memory_settings_serve_values() -> None:
    setting = ConnectionSetting("db", "sql", "sqlite://")
    settings = MemorySettings(Scoped(products={FLIGHTS: {"db": setting}}), Scoped(all={"token": "x"}))
    assert settings.connection(FLIGHTS, "db") is setting
    assert settings.connections("weather.hourly") == ()
    assert settings.secrets("weather.hourly") == {"token": "x"}
    assert refusal(settings, "dbs").hint == "Did you mean 'db'?"
