"""How long a plan takes in a large mesh: a thousand products with five thousand subscriptions, made in the registry.

Every product follows five ports; each one follows that of the hub, whose plan is measured: a breaking change of a field
that every second consumer uses. The plan must name all of them with the right verdict, and all products behind.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import Say
from benchmarks.subject import Subject, data_folder
from hansa.access.principal import SYSTEM
from hansa.blobs.bundle import hash_of, pack
from hansa.blobs.folder import FolderBlobs
from hansa.bootstrap.hansa import now_us
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.lifecycle.serving import REVISION_CHARS
from hansa.model.product import PortTrigger, ProcessSpec, ProductSpec, StepSpec
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Domain

PRODUCTS = 1000
FOLLOWED = 5
PLANS = 5
HUB = "bench.hub"
PORT = f"{HUB}/numbers@1"

PRODUCT = """apiVersion: v1.1.0
kind: DataProduct
id: {id}
name: Planned
version: 1.0.0
status: active
domain: bench
description: {{purpose: To be one of many.}}
outputPorts:
  - {{name: numbers, version: 1.0.0, type: stream, contractId: numbers}}
"""
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: numbers
version: 1.0.0
status: active
schema:
  - name: numbers
    logicalType: object
    properties:
      - {name: number, logicalType: integer, required: true, primaryKey: true}
      - {name: hint, logicalType: string}
"""
NOTE = "      - {name: note, logicalType: string}\n"
CODE = """from hansa import DataProduct, http, publish_to
from .ports import Number, numbers

product = DataProduct(__file__)


@product.logic
def put(number: Number) -> Number:
    return number


product.process("put", put, publish_to(numbers), on=http.post("/numbers"))
"""


def measure(say: Say) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where a plan names not everyone, or judges one wrongly."""
    with data_folder() as data:
        data.mkdir(mode=0o700)
        hub = _hub(data.parent / "hub", NOTE)
        say(f"planning: making {PRODUCTS} products with {PRODUCTS * FOLLOWED} subscriptions")
        begun = time.perf_counter()
        _make(data, data.parent / "made")
        made_s = time.perf_counter() - begun
        say("planning: starting")
        subject = Subject(data)
        try:
            subject.deploy(hub, HUB)
            say("planning: planning")
            candidate = pack(_hub(data.parent / "hub", "")).data
            found = [_planned(subject, candidate) for _ in range(PLANS)]
        finally:
            subject.stop()
    return {"made_s": made_s, "first_s": found[0], "plan_s": median(found)}


def _hub(folder: Path, note: str) -> Path:
    _write(folder, HUB, CONTRACT + note)
    (folder / "product.py").write_text(CODE)
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))
    return folder


def _write(folder: Path, product: str, contract: str) -> None:
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    (folder / "product.yaml").write_text(PRODUCT.format(id=product))
    (folder / "contracts" / "numbers@1.odcs.yaml").write_text(contract)


def _make(data: Path, folder: Path) -> None:
    """All products but the hub, as deployments would have left them."""
    blobs, registry = FolderBlobs(data / "blobs"), SqliteRegistry(data / "registry.db", clock_us=now_us)
    registry.put_domain(SYSTEM.id, Domain("bench"))
    for number in range(PRODUCTS):
        _write(folder, _id(number), CONTRACT + NOTE)
        bundle = pack(folder).data
        spec = _followers(number, read_product(folder))
        registry.deploy(SYSTEM.id, spec, hash_of(bundle)[:REVISION_CHARS], blobs.put(bundle))
    registry.close()
    shutil.rmtree(folder)


def _id(number: int) -> str:
    return f"bench.p{number}"


def _followers(number: int, declared: ProductSpec) -> ProductSpec:
    """The product with its processes: one follows the hub, the others products made before it."""
    before = [(number * 7 + step * 131) % number for step in range(1, FOLLOWED)] if number else [0] * (FOLLOWED - 1)
    ports = [PORT, *(f"{_id(other)}/numbers@1" for other in before)]
    processes = tuple(
        ProcessSpec(
            f"follow{index}", (StepSpec("put", "put"),), (PortTrigger(port),), reads=(port,),
            publishes=(declared.outputs[0].id,), fields={port: ("note",) if number % 2 else ("number",)},
        )
        for index, port in enumerate(ports)
    )  # fmt: skip
    return replace(declared, processes=processes)


def _planned(subject: Subject, candidate: bytes) -> float:
    begun = time.perf_counter()
    found: dict[str, Any] = subject.post_bytes(f"/products/{HUB}/plan", candidate)
    took = time.perf_counter() - begun
    verdicts = {one["who"]: one["verdict"] for one in found["consumers"]}
    direct = {f"{_id(number)}:follow0": "breaks" if number % 2 else "unaffected" for number in range(PRODUCTS)}
    if any(verdicts.get(who) != verdict for who, verdict in direct.items()):
        raise ValueError("the plan judges a consumer wrongly, or leaves it out")
    if len(verdicts) != PRODUCTS * FOLLOWED:
        raise ValueError(f"the plan names {len(verdicts)} processes of {PRODUCTS * FOLLOWED}")
    return took
