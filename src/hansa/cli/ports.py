"""Writes a product's `ports.py` from its files, and from the contracts of the ports that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hansa.client.client import Client
from hansa.contracts.seal import PORTS_FILE
from hansa.model.ids import PortId
from hansa.model.product import OutputPortSpec


def sync_ports(folder: Path, client: Client | None) -> bool:
    """Brings `ports.py` up to date; True where it was not. `client` is asked for the ports of other products.

    Raises `PlanError` where the product's files are wrong or a port that it reads does not exist.
    """
    from hansa.contracts.generate import generate_ports
    from hansa.contracts.odps import read_product

    own = read_product(folder)
    inputs = {port.id: port for port in own.outputs}
    for wanted in own.inputs:
        if wanted.port not in inputs and client is not None:
            inputs[wanted.port] = port_spec(client.ports.get(wanted.port))
    text, path = generate_ports(own, inputs), folder / PORTS_FILE
    if path.is_file() and path.read_text("utf-8") == text:
        return False
    path.write_text(text, "utf-8")
    return True


def port_spec(told: Mapping[str, Any]) -> OutputPortSpec:
    """An output port as the API tells it."""
    return msgspec.convert({"name": PortId.parse(told["id"]).name, **told}, OutputPortSpec)
