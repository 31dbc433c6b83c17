"""Products and revisions."""

from __future__ import annotations

from typing import Any, Final

from hansa.errors import CallerError
from hansa.model.ids import ProductId, did_you_mean
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.database import Connection
from hansa.registry.interface import Products
from hansa.registry.spec import decode_spec, encode_spec
from hansa.registry.tables.base import DOMAIN, PRODUCT, Change, Tables, known, unknown
from hansa.registry.tables.search import Wanted, conditions, set_terms, suggest
from hansa.registry.values import Consent, Deployed, Found, GivenConsent, Live, Product, Revision

_REVISION: Final = "r.product, r.hash, r.number, r.spec, r.bundle, r.actor, r.time_us, r.note"
_STEPS: Final = {
    ProductState.DRAFT: "product.drafted",
    ProductState.ACTIVE: "product.activated",
    ProductState.DEPRECATED: "product.deprecated",
    ProductState.RETIRED: "product.retired",
}
"""What the audit calls the step to each state."""
_PRODUCTS: Final = f"""
    SELECT p.id, p.state, p.successor, p.state_us, {_REVISION} FROM product p
    JOIN deployment d ON d.id = p.live JOIN revision r ON r.product = p.id AND r.hash = d.hash"""


class ProductTables(Tables, Products):
    def deploy(
        self,
        actor: str,
        spec: ProductSpec,
        revision_hash: str,
        bundle_hash: str,
        note: str = "",
        consent: Consent | None = None,
        state: ProductState = ProductState.ACTIVE,
    ) -> Deployed:
        product = ProductId.parse(spec.id)
        with self._changing(actor) as change:
            known(change.connection, DOMAIN, product.domain)
            before = _find(change.connection, spec.id)
            kept = _kept(change.connection, spec.id, revision_hash, bundle_hash)
            if kept and before and before.state is not ProductState.RETIRED and before.live.hash == kept.hash:
                return Deployed(before, False, kept.hash)
            revision = kept or _keep(change, spec, revision_hash, bundle_hash, note)
            _deploy(change, before, revision)
            if before is None or before.state is ProductState.RETIRED:
                sql = "UPDATE product SET state = ?, successor = NULL, state_us = ? WHERE id = ?"
                change.execute(sql, state, change.time_us, spec.id)
            operation = "product.updated" if before else "product.deployed"
            after = _get(change.connection, spec.id)
            change.audit(operation, spec.id, _state(before), _told(after, consent), note)
        return Deployed(after, kept is None, before.live.hash if before else None)

    def rollback(self, actor: str, product: str, to: str | None = None, consent: Consent | None = None) -> Deployed:
        with self._changing(actor) as change:
            before = _served(change.connection, product)
            if to == before.live.hash:
                return Deployed(before, False, before.live.hash)
            if to is None:
                _step_back(change, before)
            else:
                _deploy(change, before, _revision(change.connection, product, to))
            after = _get(change.connection, product)
            change.audit("product.rolled_back", product, _state(before), _told(after, consent))
        return Deployed(after, False, before.live.hash)

    def before(self, product: str, to: str | None = None) -> Revision:
        with self._database.use() as connection:
            live = _served(connection, product)
            return _revision(connection, product, to or _previous(connection, live)[1])

    def set_state(self, actor: str, product: str, state: ProductState, successor: str | None = None) -> Product:
        with self._changing(actor) as change:
            before = _get(change.connection, product)
            if (before.state, before.successor) == (state, successor):
                return before
            if successor is not None:
                known(change.connection, PRODUCT, successor)
            sql = "UPDATE product SET state = ?, successor = ?, state_us = ? WHERE id = ?"
            change.execute(sql, state, successor, change.time_us, product)
            after = _get(change.connection, product)
            change.audit(_STEPS[state], product, _state(before), _state(after))
            return after

    def give_consent(self, actor: str, consent: GivenConsent) -> None:
        with self._changing(actor) as change:
            known(change.connection, PRODUCT, consent.port.partition("/")[0])
            values = (consent.port, consent.since, consent.candidate, consent.kind, consent.of)
            sql = "INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            if change.execute(sql, *values, consent.reason, actor, change.time_us).rowcount:
                after = {"since": consent.since, "candidate": consent.candidate, consent.kind: consent.of}
                change.audit("consent.given", consent.port, None, {**after, "reason": consent.reason})

    def consents(self, product: str, candidate: str | None = None) -> list[GivenConsent]:
        sql = "SELECT * FROM consent WHERE port >= ? AND port < ? AND ? IN (candidate, '') ORDER BY port, kind, owner"
        return [GivenConsent(*row) for row in self._rows(sql, f"{product}/", f"{product}0", candidate or "")]

    def product(self, product: str) -> Product:
        with self._database.use() as connection:
            return _get(connection, product)

    def live(self) -> list[Live]:
        sql = (
            "SELECT p.id, p.state, d.hash, p.successor FROM product p JOIN deployment d ON d.id = p.live ORDER BY p.id"
        )
        return [Live(product, ProductState(state), *rest) for product, state, *rest in self._rows(sql)]

    def revision(self, product: str, revision_hash: str) -> Revision:
        with self._database.use() as connection:
            return _revision(connection, product, revision_hash)

    def revisions(self, product: str) -> list[Revision]:
        sql = f"SELECT {_REVISION} FROM revision r WHERE r.product = ? ORDER BY r.number DESC"
        with self._database.use() as connection:
            rows = connection.execute(sql, (product,)).fetchall()
            if not rows:
                raise unknown(connection, PRODUCT, product)
        return [_as_revision(row) for row in rows]

    def search(
        self,
        text: str = "",
        *,
        tag: str | None = None,
        owner: str | None = None,
        domain: str | None = None,
        state: ProductState | None = None,
        drafts: frozenset[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Found:
        wanted = Wanted(text, tag, owner, domain, state, drafts)
        where, values = conditions(wanted)
        first = text.strip().lower()
        page = f"SELECT p.id FROM product p WHERE {where} ORDER BY instr(p.id, ?) = 0, p.id LIMIT ? OFFSET ?"
        order = "ORDER BY instr(p.id, ?) = 0, p.id"
        with self._database.use() as connection:
            rows = connection.execute(
                f"{_PRODUCTS} WHERE p.id IN ({page}) {order}", (*values, first, limit, offset, first)
            ).fetchall()
            return Found(tuple(map(_product, rows)), None if rows else suggest(connection, wanted))

    def tags(self) -> dict[str, int]:
        return dict(self._rows("SELECT text, COUNT(*) FROM term WHERE kind = 'tag' GROUP BY text ORDER BY text"))


def _find(connection: Connection, product: str) -> Product | None:
    row = connection.execute(f"{_PRODUCTS} WHERE p.id = ?", (product,)).fetchone()
    return _product(row) if row else None


def _get(connection: Connection, product: str) -> Product:
    found = _find(connection, product)
    if found is None:
        raise unknown(connection, PRODUCT, product)
    return found


def _find_revision(connection: Connection, product: str, revision_hash: str) -> Revision | None:
    sql = f"SELECT {_REVISION} FROM revision r WHERE r.product = ? AND r.hash = ?"
    row = connection.execute(sql, (product, revision_hash)).fetchone()
    return _as_revision(row) if row else None


def _revision(connection: Connection, product: str, revision_hash: str) -> Revision:
    found = _find_revision(connection, product, revision_hash)
    if found is None:
        known(connection, PRODUCT, product)
        hashes = [row[0] for row in connection.execute("SELECT hash FROM revision WHERE product = ?", (product,))]
        raise CallerError(
            "revision.unknown",
            f"{product} has no revision {revision_hash!r}",
            hint=did_you_mean(revision_hash, hashes) or f"It has {', '.join(hashes[-5:])}.",
            details={"value": revision_hash},
        )
    return found


def _kept(connection: Connection, product: str, revision_hash: str, bundle_hash: str) -> Revision | None:
    """The revision of that hash, where there is one; it must stand for the same files."""
    found = _find_revision(connection, product, revision_hash)
    if found and found.bundle != bundle_hash:
        raise CallerError(
            "revision.conflict",
            f"Revision {revision_hash} of {product} stands for the bundle {found.bundle}, not {bundle_hash}",
            hint="Change any file of the product, so that it gets another hash, and deploy again.",
        )
    return found


def _keep(change: Change, spec: ProductSpec, revision_hash: str, bundle_hash: str, note: str) -> Revision:
    sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM revision WHERE product = ?"
    number = change.execute(sql, spec.id).fetchone()[0]
    revision = Revision(spec.id, revision_hash, number, spec, bundle_hash, change.actor, change.time_us, note)
    change.execute(
        "INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        revision.product,
        revision.hash,
        revision.number,
        encode_spec(spec),
        revision.bundle,
        revision.actor,
        revision.time_us,
        revision.note,
    )
    return revision


def _served(connection: Connection, product: str) -> Product:
    """A product that can go back. Raises `CallerError` (`product.unknown`, `product.retired`)."""
    found = _get(connection, product)
    if found.state is ProductState.RETIRED:
        raise CallerError("product.retired", f"{product} is retired", hint="Deploy it to make it active again.")
    return found


def _deploy(change: Change, before: Product | None, revision: Revision) -> None:
    """Makes a revision live, above the one that is; rolling back finds that one again."""
    if before and before.live.hash == revision.hash:
        return
    (deployment,) = change.execute(
        "INSERT INTO deployment (product, hash, previous)"
        " VALUES (?, ?, (SELECT live FROM product WHERE id = ?)) RETURNING id",
        revision.product,
        revision.hash,
        revision.product,
    ).fetchone()
    change.execute(
        "INSERT INTO product (id, domain, state, live) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET live = excluded.live",
        revision.product,
        revision.spec.domain,
        ProductState.ACTIVE,
        deployment,
    )
    set_terms(change.connection, revision.spec)


def _step_back(change: Change, before: Product) -> None:
    deployment, _ = _previous(change.connection, before)
    change.execute("UPDATE product SET live = ? WHERE id = ?", deployment, before.id)
    set_terms(change.connection, _get(change.connection, before.id).live.spec)


def _previous(connection: Connection, before: Product) -> tuple[int, str]:
    """The deployment below the live one, and its revision. Raises `CallerError("revision.first")`."""
    sql = """SELECT e.id, e.hash FROM product p JOIN deployment d ON d.id = p.live
        JOIN deployment e ON e.id = d.previous WHERE p.id = ?"""
    found: tuple[int, str] | None = connection.execute(sql, (before.id,)).fetchone()
    if found is None:
        raise CallerError(
            "revision.first",
            f"Nothing was live in {before.id} before revision {before.live.hash}",
            hint="Name the revision to go to, or retire the product.",
        )
    return found


def _state(product: Product | None) -> dict[str, Any] | None:
    """What the audit says of a product: the spec is in the revision, which never changes."""
    if product is None:
        return None
    live = product.live
    ends = {"successor": product.successor} if product.successor else {}
    return {"state": product.state, **ends, "revision": live.hash, "number": live.number, "bundle": live.bundle}


def _told(product: Product, consent: Consent | None) -> dict[str, Any]:
    return {**(_state(product) or {}), **({"consent": consent._asdict()} if consent else {})}


def _as_revision(row: Any) -> Revision:
    product, revision_hash, number, spec, *rest = row
    return Revision(product, revision_hash, number, decode_spec(spec), *rest)


def _product(row: Any) -> Product:
    return Product(row[0], ProductState(row[1]), _as_revision(row[4:]), *row[2:4])
