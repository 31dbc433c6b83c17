"""A registry that has grown: ten thousand products with fifty thousand subscriptions, as many consents and tokens.

It is made in SQLite, and in PostgreSQL where `HANSA_DATABASE` names one for it (a schema of its own there, dropped at
the end). Every answer is checked.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benchmarks.environment import Say
from benchmarks.subject import data_folder
from hansa.access.principal import SYSTEM
from hansa.bootstrap.hansa import now_us
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    StepSpec,
)
from hansa.registry.interface import Registry
from hansa.registry.sqlite import SqliteRegistry
from hansa.registry.values import Account, Domain

PRODUCTS = 10_000
EACH = 5
"""Subscriptions, consents and tokens, for each product."""
DOMAINS = 50
TIMES = 15


@dataclass(frozen=True)
class Size:
    """How much there is."""

    products: int
    each: int

    def product(self, number: int) -> str:
        return f"domain{number % DOMAINS}.product{number}"


def measure(say: Say, products: int = PRODUCTS, database: str | None = None) -> dict[str, float]:
    """The figures of one run; raises `ValueError` where an answer is wrong."""
    size, database = Size(products, EACH), database or os.environ.get("HANSA_DATABASE", "")
    with data_folder() as data:
        data.mkdir(mode=0o700)
        figures = _measured("sqlite", lambda: SqliteRegistry(data / "registry.db", clock_us=now_us), size, say)
    if database:
        figures |= _on_postgresql(database, size, say)
    return figures


def _on_postgresql(database: str, size: Size, say: Say) -> dict[str, float]:
    import psycopg

    from hansa.registry.postgres import PostgresRegistry

    schema = f"bench_{uuid.uuid4().hex}"
    try:
        return _measured("postgresql", lambda: PostgresRegistry(database, now_us, schema=schema), size, say)
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


def _measured(name: str, opened: Callable[[], Registry], size: Size, say: Say) -> dict[str, float]:
    say(f"registry: making {size.products} products in {name}")
    begun = perf_counter()
    registry = opened()
    make(registry, size)
    registry.close()
    figures = {"made_s": perf_counter() - begun}
    begun = perf_counter()
    registry = opened()
    figures["open_s"] = perf_counter() - begun
    try:
        say(f"registry: asking {name}")
        begun = perf_counter()
        if len(registry.search(limit=100_000).products) != size.products:
            raise ValueError("a start does not find every product")
        figures["all_s"] = perf_counter() - begun
        figures |= {f"{asked}_ms": _ms(question) for asked, question in questions(registry, size).items()}
        begun = perf_counter()
        if registry.audit_verify().first_bad is not None:
            raise ValueError("the audit is not whole")
        figures["verify_s"] = perf_counter() - begun
    finally:
        registry.close()
    return {f"{name}_{figure}": value for figure, value in figures.items()}


def make(registry: Registry, size: Size) -> None:
    """Products one by one; tokens and consents in one change each, as nobody makes so many at once."""
    for number in range(DOMAINS):
        registry.put_domain(SYSTEM.id, Domain(f"domain{number}"))
    for number in range(size.products):
        registry.deploy(SYSTEM.id, _spec(size, number), f"r{number}", f"b{number}", "made")
    for number in range(DOMAINS):
        registry.put_account(SYSTEM.id, Account(f"account{number}"))
    consents = [
        (f"{size.product(number)}/numbers@1", "r0", f"c{of}", "domain", f"domain{of % DOMAINS}", "why", "ada", 1)
        for number in range(size.products)
        for of in range(size.each)
    ]
    tokens = [
        (f"t{number}", f"account{number % DOMAINS}", "", b"hash", '["read"]', "null", 1, 2, None, None)
        for number in range(size.products * size.each)
    ]
    with registry._changing(SYSTEM.id) as change:  # type: ignore[attr-defined]
        change.connection.executemany("INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, ?)", consents)
        change.connection.executemany("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", tokens)
        change.audit("consent.given", "all")


def _spec(size: Size, number: int) -> ProductSpec:
    before = [size.product((number * 7 + step * 131) % size.products) for step in range(1, size.each + 1)]
    fields = tuple(FieldSpec(f"field_{index}", "string") for index in range(10))
    product = size.product(number)
    port = OutputPortSpec(
        f"{product}/numbers@1", "numbers", "1.0.0", PortKind.STREAM, ContractSpec("numbers", "1.0.0", fields)
    )
    processes = tuple(
        ProcessSpec(f"follow{index}", (StepSpec("put", "put"),), (PortTrigger(f"{other}/numbers@1"),))
        for index, other in enumerate(before)
    )
    tags = (f"tag{number % 100}", "all")
    description = f"Numbers of the kind {number}, kept for whoever counts them. {'Words about it. ' * 10}"
    return ProductSpec(
        product, f"Product {number}", description, owner=f"Team {number % 200}", tags=tags, outputs=(port,),
        processes=processes,
    )  # fmt: skip


def questions(registry: Registry, size: Size) -> dict[str, Callable[[], bool]]:
    """What is asked, by name; each says whether the answer was right."""
    last = size.products - 1
    product, domain = size.product(last), f"domain{last % DOMAINS}"

    def found(**query: object) -> list[str]:
        return [product.id for product in registry.search(**query).products]  # type: ignore[arg-type]

    return {
        "search_one": lambda: found(text=f"product{last}") == [product],
        "search_words": lambda: len(found(text="numbers whoever counts")) == 50,
        "search_page": lambda: len(found(text="words", offset=size.products // 2, limit=50)) == 50,
        "search_tag": lambda: len(found(tag="tag7", limit=20)) == min(20, size.products // 100),
        "search_owner": lambda: product in found(owner=f"team {last % 200}", limit=1000),
        "search_domain": lambda: len(found(domain=domain, limit=1000)) == min(1000, size.products // DOMAINS),
        "search_drafts": lambda: len(found(text="product", drafts=frozenset({domain}), limit=20)) == 20,
        "search_none": lambda: registry.search("prodcut7").suggestion is not None,
        "live": lambda: len(registry.live()) == size.products,
        "tags": lambda: registry.tags()["all"] == size.products,
        "product": lambda: registry.product(product).id == product,
        "revisions": lambda: len(registry.revisions(product)) == 1,
        "consents": lambda: len(registry.consents(product)) == size.each,
        "identity": lambda: registry.identity("t7") is not None,
        "paused": lambda: registry.paused_triggers() == frozenset(),
        "audit_page": lambda: len(registry.audit_list(limit=50)) == 50,
        "change": lambda: registry.record("ada", "run.started", product).seq > 0,
    }


def _ms(question: Callable[[], bool]) -> float:
    took = []
    for _ in range(TIMES):
        begun = perf_counter()
        if not question():
            raise ValueError("the registry answers wrongly")
        took.append((perf_counter() - begun) * 1000)
    return median(took)


if __name__ == "__main__":
    for figure, value in measure(print, int(os.environ.get("PRODUCTS", str(PRODUCTS)))).items():
        print(f"{figure:32} {value:10.3f}")
