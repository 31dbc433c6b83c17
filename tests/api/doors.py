"""Every route of a Hansa, what to send it, and who may pass. A new route needs its row here: tests fail without it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from server import Server

from hansa.server.api.operations import declared
from hansa.server.operation import Operation

MEMBERS: Final = {"consumer": "c", "developer": "d", "owner": "o", "stranger": "s", "admin": "a"}
"""Who comes, with a token of every scope, and the letter that stands for each in the table. The first three have their
role in the domain `shop`, the stranger is owner of `depot`."""
LIMITED: Final = {"reader": "r", "limited": "l"}
"""The owner of `shop` again, with a token for reading only, and with one for `depot.parts` only."""
NO_ONE: Final = {"nobody": "n", "expired": "e"}
"""Who comes without a token, and with one that was good once."""
EVERY_MEMBER: Final = "cdosar"
REGISTRY: Final = "/schema-registry"
STOCK: Final = "shop-orders-stock-v1-value"
"""The subject of a port; `free` is nobody's."""
VERSIONS: Final = f"{REGISTRY}/subjects/{STOCK}/versions"
TEXT: Final = {"schema": '"string"'}
EVENT: Final = {"specversion": "1.0", "id": "1", "source": "test", "type": "tested"}


class Door(NamedTuple):
    """A request that passes for those whose letters `who` has, and harms nothing when it does."""

    who: str
    path: str
    json: Any = None
    content: bytes | None = None


DOORS: Final = {
    "GET /products": Door(EVERY_MEMBER, "/products"),
    "GET /products/{product}": Door(EVERY_MEMBER, "/products/shop.orders"),
    "GET /products/{product}/revisions": Door(EVERY_MEMBER, "/products/shop.orders/revisions"),
    "GET /products/{product}/document": Door(EVERY_MEMBER, "/products/shop.orders/document"),
    "GET /products/{product}/openapi": Door(EVERY_MEMBER, "/products/shop.orders/openapi"),
    "GET /products/{product}/asyncapi": Door(EVERY_MEMBER, "/products/shop.orders/asyncapi"),
    "GET /asyncapi.json": Door(EVERY_MEMBER, "/asyncapi.json"),
    "GET /products/{product}/changes": Door(EVERY_MEMBER, "/products/shop.orders/changes"),
    "GET /ports/{product}/{port}/changes": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1/changes"),
    "POST /products/{product}/plan": Door("doa", "/products/shop.orders/plan", content=b"no bundle"),
    "POST /products/{product}/deploy": Door("doa", "/products/shop.orders/deploy", content=b"no bundle"),
    "GET /products/{product}/rollback": Door("doa", "/products/shop.gone/rollback"),
    "POST /products/{product}/rollback": Door("doa", "/products/shop.gone/rollback", {}),
    "POST /products/{product}/retire": Door("oa", "/products/shop.gone/retire"),
    "POST /products/{product}/state": Door("oa", "/products/shop.orders/state", {"state": "active", "dry": True}),
    "POST /products/{product}/consents": Door(
        "oa",
        "/products/shop.orders/consents",
        {"port": "shop.orders/stock@1", "candidate": "0" * 16, "domain": "shop", "reason": "tested"},
    ),
    "GET /products/{product}/consents": Door(EVERY_MEMBER, "/products/shop.orders/consents?candidate=0"),
    "GET /processes": Door(EVERY_MEMBER, "/processes"),
    "POST /processes/{process}/runs": Door("doa", "/processes/shop.orders:greet/runs"),
    "GET /runs": Door("dosar", "/runs"),
    "GET /dead_letters": Door("dosar", "/dead_letters"),
    "GET /runs/{run}": Door("doar", "/runs/{run}"),
    "GET /runs/{run}/result": Door("doar", "/runs/{run}/result"),
    "POST /runs/{run}/cancel": Door("doa", "/runs/{run}/cancel"),
    "POST /runs/{run}/replay": Door("doa", "/runs/{run}/replay", {}),
    "GET /quarantine": Door("dosar", "/quarantine"),
    "GET /quarantine/{entry}": Door("doar", "/quarantine/{entry}"),
    "POST /quarantine/{entry}/correct": Door("doa", "/quarantine/{entry}/correct", {"record": {}}),
    "POST /quarantine/{entry}/replay": Door("doa", "/quarantine/{entry}/replay"),
    "POST /quarantine/{entry}/discard": Door("doa", "/quarantine/{entry}/discard", {"reason": "no"}),
    "GET /output": Door("dosar", "/output"),
    "GET /schedules": Door(EVERY_MEMBER, "/schedules"),
    "POST /triggers/{process}/{index}/pause": Door("doa", "/triggers/shop.orders:nightly/0/pause"),
    "POST /triggers/{process}/{index}/resume": Door("doa", "/triggers/shop.orders:nightly/0/resume"),
    "GET /ports": Door(EVERY_MEMBER, "/ports"),
    "GET /ports/{product}/{port}": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1"),
    "GET /ports/{product}/{port}/records": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1/records"),
    "GET /ports/{product}/{port}/lookup": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1/lookup?item=x"),
    "GET /ports/{product}/{port}/readers": Door("doar", "/ports/shop.orders/stock@1/readers"),
    "GET /ports/{product}/{port}/window": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1/window"),
    "POST /ports/{product}/{port}/retire": Door("oa", "/ports/shop.orders/stock@1/retire", {}),
    "GET /ports/{product}/{port}/contract": Door(EVERY_MEMBER, "/ports/shop.orders/stock@1/contract"),
    "POST /events": Door("dosa", "/events", EVENT),
    "GET /events": Door("dosar", "/events"),
    "POST /events/search": Door("dosar", "/events/search", {}),
    "POST /events/count": Door("dosar", "/events/count", {"by": [{"field": "name"}]}),
    "POST /events/patterns": Door("dosar", "/events/patterns", {"steps": ["name=a", "name=b"], "within_s": 1}),
    "GET /events/follow": Door("dosar", "/events/follow"),
    "GET /lineage": Door(EVERY_MEMBER, "/lineage?node=shop.orders"),
    "GET /me": Door(EVERY_MEMBER, "/me"),
    "GET /people": Door(EVERY_MEMBER, "/people"),
    "POST /people": Door("a", "/people", {"id": "consumer"}),
    "GET /people/{person}": Door(EVERY_MEMBER, "/people/consumer"),
    "DELETE /people/{person}": Door("a", "/people/gone"),
    "POST /domains/{domain}/roles": Door("oa", "/domains/shop/roles", {"person": "consumer", "role": "consumer"}),
    "DELETE /domains/{domain}/roles/{person}": Door("oa", "/domains/shop/roles/admin"),
    "GET /tokens": Door("cdosa", "/tokens"),
    "POST /tokens": Door("a", "/tokens", {"name": "test", "scopes": ["read"], "principal": "admin"}),
    "DELETE /tokens/{token}": Door("a", "/tokens/gone"),
    "GET /domains": Door(EVERY_MEMBER, "/domains"),
    "POST /domains": Door("oa", "/domains", {"name": "shop"}),
    "GET /domains/{domain}": Door(EVERY_MEMBER, "/domains/shop"),
    "GET /audit": Door("a", "/audit"),
    "GET /audit/verify": Door("a", "/audit/verify"),
    "POST /backup": Door("a", "/backup", {"path": "not/absolute"}),
    "GET /doctor": Door("a", "/doctor"),
    "GET /nodes": Door("a", "/nodes"),
    "GET /views": Door("a", "/views"),
    "GET /metrics": Door("a", "/metrics"),
    "POST /views/{view}/rebuild": Door("a", "/views/runs/rebuild", {}),
    "POST /forget": Door("oa", "/forget", {"subject": "nobody", "product": "shop.orders"}),
    "GET /schema-registry/subjects": Door(EVERY_MEMBER, f"{REGISTRY}/subjects"),
    "POST /schema-registry/subjects/{subject}": Door(EVERY_MEMBER, f"{REGISTRY}/subjects/{STOCK}", TEXT),
    "DELETE /schema-registry/subjects/{subject}": Door("dosa", f"{REGISTRY}/subjects/gone-value"),
    "GET /schema-registry/subjects/{subject}/versions": Door(EVERY_MEMBER, f"{REGISTRY}/subjects/{STOCK}/versions"),
    "POST /schema-registry/subjects/{subject}/versions": Door("dosa", f"{REGISTRY}/subjects/free/versions", TEXT),
    "GET /schema-registry/subjects/{subject}/metadata": Door(EVERY_MEMBER, f"{REGISTRY}/subjects/{STOCK}/metadata"),
    "GET /schema-registry/subjects/{subject}/versions/{version}": Door(EVERY_MEMBER, f"{VERSIONS}/1"),
    "DELETE /schema-registry/subjects/{subject}/versions/{version}": Door("doa", f"{VERSIONS}/1"),
    "GET /schema-registry/subjects/{subject}/versions/{version}/schema": Door(EVERY_MEMBER, f"{VERSIONS}/1/schema"),
    "GET /schema-registry/subjects/{subject}/versions/{version}/referencedby": Door(
        EVERY_MEMBER, f"{VERSIONS}/1/referencedby"
    ),
    "GET /schema-registry/schemas": Door(EVERY_MEMBER, f"{REGISTRY}/schemas"),
    "GET /schema-registry/schemas/types": Door(EVERY_MEMBER, f"{REGISTRY}/schemas/types"),
    "GET /schema-registry/schemas/ids/{schema}": Door(EVERY_MEMBER, f"{REGISTRY}/schemas/ids/1"),
    "GET /schema-registry/schemas/ids/{schema}/schema": Door(EVERY_MEMBER, f"{REGISTRY}/schemas/ids/1/schema"),
    "GET /schema-registry/schemas/ids/{schema}/subjects": Door(EVERY_MEMBER, f"{REGISTRY}/schemas/ids/1/subjects"),
    "GET /schema-registry/schemas/ids/{schema}/versions": Door(EVERY_MEMBER, f"{REGISTRY}/schemas/ids/1/versions"),
    "POST /schema-registry/compatibility/subjects/{subject}/versions": Door(
        EVERY_MEMBER, f"{REGISTRY}/compatibility/subjects/{STOCK}/versions", TEXT
    ),
    "POST /schema-registry/compatibility/subjects/{subject}/versions/{version}": Door(
        EVERY_MEMBER, f"{REGISTRY}/compatibility/subjects/{STOCK}/versions/latest", TEXT
    ),
    "GET /schema-registry/contexts": Door(EVERY_MEMBER, f"{REGISTRY}/contexts"),
    "GET /schema-registry/config": Door(EVERY_MEMBER, f"{REGISTRY}/config"),
    "PUT /schema-registry/config": Door("a", f"{REGISTRY}/config", {"compatibility": "BACKWARD"}),
    "DELETE /schema-registry/config": Door("a", f"{REGISTRY}/config"),
    "GET /schema-registry/config/{subject}": Door(EVERY_MEMBER, f"{REGISTRY}/config/{STOCK}"),
    "PUT /schema-registry/config/{subject}": Door("dosa", f"{REGISTRY}/config/free", {"compatibility": "NONE"}),
    "DELETE /schema-registry/config/{subject}": Door("dosa", f"{REGISTRY}/config/free"),
    "GET /schema-registry/mode": Door(EVERY_MEMBER, f"{REGISTRY}/mode"),
    "PUT /schema-registry/mode": Door("a", f"{REGISTRY}/mode", {"mode": "READWRITE"}),
    "GET /schema-registry/mode/{subject}": Door(EVERY_MEMBER, f"{REGISTRY}/mode/{STOCK}"),
    "PUT /schema-registry/mode/{subject}": Door("dosa", f"{REGISTRY}/mode/free", {"mode": "READWRITE"}),
    "DELETE /schema-registry/mode/{subject}": Door("dosa", f"{REGISTRY}/mode/free"),
    "POST /shop/orders/orders": Door("cdoa", "/shop/orders/orders", {"item": "a"}),
    "PUT /shop/orders/orders": Door("cdoa", "/shop/orders/orders", {"item": "a"}),
    "POST /shop/orders/later": Door("cdoa", "/shop/orders/later", {"item": "a"}),
    "GET /shop/orders/stock/{item}": Door("cdoa", "/shop/orders/stock/a"),
    "GET /shop/orders/typed/{number}": Door("cdoa", "/shop/orders/typed/1"),
    "DELETE /shop/orders/typed/{number}": Door("cdoa", "/shop/orders/typed/1"),
    "POST /shop/orders/form": Door("cdoa", "/shop/orders/form", {"name": "a"}),
    "POST /shop/orders/text": Door("cdoa", "/shop/orders/text", "a"),
    "POST /shop/orders/bytes": Door("cdoa", "/shop/orders/bytes", content=b"a"),
    "GET /shop/orders/open": Door("cdosarln", "/shop/orders/open"),
    "GET /depot/parts/parts": Door("sa", "/depot/parts/parts"),
}


def operations() -> dict[str, Operation]:
    """The operations of the API, as its own table has them."""
    return {f"{operation.method} {operation.template}": operation for operation in declared()}


def deployed(server: Server) -> set[str]:
    """Every route that the document tells and the API's table has not: those of products."""
    paths = server.http.get("/openapi.json").json()["paths"]
    of_ports = {path for path in paths if path.startswith("/ports/") and "{" not in path}
    told = {f"{m.upper()} {path}" for path, methods in paths.items() if path not in of_ports for m in methods}
    return told - operations().keys()
