"""The files of a new product: it greets over HTTP and publishes each greeting, it has a test, and deploys as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hansa.cli.ports import sync_ports
from hansa.contracts.seal import PORTS_FILE
from hansa.errors import CallerError
from hansa.model.ids import ProductId

_PRODUCT_YAML: Final = """\
apiVersion: v1.1.0
kind: DataProduct
id: {id}
name: {name}
version: 0.1.0
status: active
domain: {domain}
description:
  purpose: Greets those who ask, and remembers whom.
outputPorts:
  - name: greetings
    version: 1.0.0
    type: stream
    contractId: {id}.greetings
"""

_CONTRACT: Final = """\
apiVersion: v3.1.0
kind: DataContract
id: {id}.greetings
version: 1.0.0
status: draft
description:
  purpose: One record for each greeting, in the order in which they were said.
schema:
  - name: greetings
    properties:
      - name: visitor
        logicalType: string
        description: The name of the visitor who was greeted.
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        logicalTypeOptions:
          minLength: 1
      - name: text
        logicalType: string
        description: What was said.
        required: true
"""

_PRODUCT_PY: Final = '''\
"""Greets over HTTP: POST /{domain}/{name}/greetings."""

from dataclasses import dataclass

from hansa import Context, DataProduct, Problem, http, reply

from .ports import Greeting, greetings

product = DataProduct(__file__)


@dataclass(frozen=True)
class Visitor:
    """What a caller sends."""

    name: str


@product.logic
def greet(visitor: Visitor) -> Greeting:
    """The greeting of a visitor, who must have a name."""
    if not visitor.name:
        raise Problem(400, "visitor.nameless", "The visitor has no name", hint="Send one.")
    return Greeting(visitor.name, f"Hello, {{visitor.name}}!")


@product.logic
def remember(greeting: Greeting, *, ctx: Context) -> Greeting:
    """Publishes the greeting and passes it on."""
    ctx.publish(greetings, greeting)
    return greeting


product.process("greet", greet, remember, reply, on=http.post("/greetings"))
'''

_TEST: Final = '''\
"""Logic is a function: a test calls it like any other."""

import pytest
from hansa import Problem

from ..ports import Greeting
from ..product import Visitor, greet


def test_greets_by_name() -> None:
    assert greet(Visitor("Ada")) == Greeting("Ada", "Hello, Ada!")


def test_refuses_the_nameless() -> None:
    with pytest.raises(Problem, match="no name"):
        greet(Visitor(""))
'''

_FILES: Final = {
    "__init__.py": "",
    "product.yaml": _PRODUCT_YAML,
    "contracts/greetings@1.odcs.yaml": _CONTRACT,
    "product.py": _PRODUCT_PY,
    "tests/__init__.py": "",
    "tests/test_{name}.py": _TEST,
}


def scaffold(product: ProductId, folder: Path) -> list[str]:
    """Writes a complete product into `folder`, which must not exist or be empty; the names of the files, in order.

    Raises `CallerError("folder.exists")`, and then has written nothing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CallerError(
            "folder.exists", f"{folder} exists already", hint="Choose another folder with '--folder', or remove it."
        )
    words = {"id": str(product), "domain": product.domain, "name": product.name}
    for name, template in _FILES.items():
        path = folder / name.format(**words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.format(**words), "utf-8")
    sync_ports(folder, None)
    return [*(name.format(**words) for name in _FILES), PORTS_FILE]
