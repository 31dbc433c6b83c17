"""A stream that another product looks into: its lookup is made when it is first asked for, and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from server import Server

PRODUCTS = Path(__file__).parent / "products"


def square(server: Server, name: str, value: int) -> None:
    """Publishes a square, and waits until it stands in the stream."""
    server.call("PUT", "/lab/bench/numbers", [{"name": name, "value": value}]).raise_for_status()
    assert server.until(lambda: name in [record["name"] for record in server.records("lab.bench/squares@1")])


def found(server: Server, name: str, product: str = "mirror") -> int:
    return int(server.call("GET", f"/lab/{product}/squares/{name}").json().get("value", -1))


def test_the_first_look_into_a_stream_sees_all_of_it_and_a_restart_goes_on(own: Server) -> None:
    square(own, "three", 3)
    files = own.data / "lookups"
    own.deploy(PRODUCTS / "mirror", "lab.mirror")
    assert not list(files.glob("*squares*/lookup.db"))
    assert found(own, "three") == 9
    square(own, "four", 4)
    assert own.until(lambda: found(own, "four") == 16)
    own.stop()
    own.start()
    square(own, "five", 5)
    assert own.until(lambda: found(own, "five") == 25)
    assert found(own, "nobody") == -1


def test_after_a_restart_a_product_looks_into_one_that_is_served_later(own: Server, tmp_path: Path) -> None:
    square(own, "three", 3)
    ahead = shutil.copytree(PRODUCTS / "mirror", tmp_path / "ahead")
    manifest = ahead / "product.yaml"
    manifest.write_text(manifest.read_text().replace("lab.mirror", "lab.ahead"))
    own.deploy(ahead, "lab.ahead")
    own.stop()
    own.start()
    assert found(own, "three", "ahead") == 9
