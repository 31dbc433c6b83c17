"""Small products that tests write, and people who come with a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from server import Server

PRODUCT = """apiVersion: v1.1.0
kind: DataProduct
id: {id}
name: Made by a test
version: 1.0.0
status: {status}
domain: {domain}
description: {{purpose: To be planned.}}
"""
SCOPES = ["read", "call", "publish", "deploy", "operate", "admin"]


def write(folder: Path, product: str, code: str, *, status: str = "active", more: str = "") -> Path:
    """A product's folder with this code, and `more` of product.yaml."""
    folder.mkdir(exist_ok=True)
    head = PRODUCT.format(id=product, domain=product.partition(".")[0], status=status)
    (folder / "product.yaml").write_text(head + more)
    (folder / "product.py").write_text(code)
    return folder


def member(server: Server, name: str, domain: str | None = None, role: str = "owner", **limits: Any) -> httpx.Client:
    """A client of a new person with that role, and a token of all scopes unless limited."""
    server.call("POST", "/people", {"id": name}).raise_for_status()
    if domain is not None:
        server.call("POST", "/domains", {"name": domain}).raise_for_status()
        server.call("POST", f"/domains/{domain}/roles", {"person": name, "role": role}).raise_for_status()
    scopes = SCOPES[:-1]
    made = server.call("POST", "/tokens", {"name": "test", "principal": name, "scopes": scopes, **limits})
    made.raise_for_status()
    return httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {made.json()['token']}"}, timeout=60)
