"""The documents of what is live, as the standards have them: products in Bitol ODPS, contracts in ODCS; and contracts
as pages for people.

YAML, or JSON where `Accept` or `format=json` asks for it. Each is the author's file, whole, with what a deployment
adds: the status that the registry has, resolved versions and contracts, ids, and where the data is served. A contract
also comes as HTML or Markdown: its owner, fields, rules and terms, how it is read, who reads it and what changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.contracts.export import Deployed, contract_document, product_document
from hansa.contracts.odps import ProductFiles
from hansa.contracts.page.blocks import Page
from hansa.contracts.page.content import Release, Served, page_of
from hansa.contracts.page.html import POLICY, page_html
from hansa.contracts.page.markdown import markdown
from hansa.contracts.write import json_text, yaml_text
from hansa.lifecycle.breaking import readers
from hansa.model.ids import PortId
from hansa.model.product import PortTrigger, ProductSpec
from hansa.server.api.base import ApiRoute, Asked, Endpoint, base_url
from hansa.server.api.visible import shown, visible
from hansa.server.descriptions import Shown
from hansa.server.merge import rfc3339
from hansa.server.operation import JSON

ODPS_YAML: Final = "application/odps+yaml"
ODCS_YAML: Final = "application/odcs+yaml"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
CHANGES_MAX: Final = 10
"""Of how many versions a page says what they changed."""
_BY_ACCEPT: Final = {"html": HTML, "markdown": MARKDOWN, "json": "json"}
_CONTRACT: Final = {ODCS_YAML: dict, JSON: dict, HTML: str, MARKDOWN: str}


class DocumentQuery(msgspec.Struct):
    """`format` goes before the Accept header."""

    format: Literal["yaml", "json"] | None = None


class ContractQuery(msgspec.Struct):
    """`format` goes before the Accept header. `version` is an earlier one of the contract, in YAML or JSON."""

    format: Literal["yaml", "json", "html", "markdown"] | None = None
    version: str | None = None


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    of_product, of_port = "/products/{product}/document", "/ports/{product}/{port}/contract"
    read = Action.CATALOGUE_READ
    return [
        endpoint.route("GET", of_product, product_as_odps, read, answers={ODPS_YAML: dict, JSON: dict}),
        endpoint.route("GET", of_port, contract, read, answers=_CONTRACT),
    ]


async def product_as_odps(asked: Asked, query: DocumentQuery) -> Response:
    """The live product as an ODPS document."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    files, deployed = await asyncio.to_thread(_live, asked, product)
    return await _told(_form(asked, query.format), product_document(files.document.data, deployed), ODPS_YAML)


async def contract(asked: Asked, query: ContractQuery) -> Response:
    """The contract of a live output port: as an ODCS document, or as a page for people in HTML or Markdown."""
    product = asked.path("product")
    port = PortId.parse(f"{product}/{asked.path('port')}")
    asked.allow(asked.of(product))
    form = _form(asked, query.format)
    if form in ("html", "markdown") and query.version is None:
        return await _paged(asked, port, form)
    if query.version is not None:
        earlier = await asyncio.to_thread(asked.services.history.contract, port, query.version)
        return await _told(form, earlier.document.data, ODCS_YAML)
    spec = asked.services.mesh.port(str(port))
    files, deployed = await asyncio.to_thread(_live, asked, product)
    document = contract_document(files.contracts[str(port)].document.data, spec, deployed)
    return await _told(form, document, ODCS_YAML)


def _form(asked: Asked, wanted: str | None) -> str:
    """The form that was asked for, by the query or by the Accept header; YAML without any."""
    accepted = asked.request.headers.get("accept", "")
    return wanted or next((form for form, media in _BY_ACCEPT.items() if media in accepted), "yaml")


def _live(asked: Asked, product: str) -> tuple[ProductFiles, Deployed]:
    """The files of the live revision, and what is known of it; a retired product's are those that were live last."""
    mesh = asked.services.mesh
    found = asked.services.registry.product(product)
    ports = {port.id: port for spec in mesh.specs() for port in spec.outputs}
    standings = asked.services.retiring.standings(found.live.spec)
    notices = Shown(found.live.spec, found.live.hash, found.state, found.successor, standings).notices()
    statuses = {port: notice.status for port, notice in notices.items()}
    deployed = Deployed(found.live.spec, found.live.hash, found.state, base_url(asked.request), ports, statuses)
    return asked.services.history.files(found.live), deployed


async def _told(form: str, document: dict[str, Any], media_type: str) -> Response:
    if form == "json":
        return Response(json_text(document), media_type=JSON)
    text = await asyncio.to_thread(yaml_text, document)
    version = str(document["apiVersion"]).removeprefix("v")
    return Response(text, media_type=f"{media_type};version={version}")


async def _paged(asked: Asked, port: PortId, form: str) -> Response:
    """The page. It may be shown and nothing else: it holds what authors wrote."""
    page = await asyncio.to_thread(_page, asked, port)
    if form == "markdown":
        return Response(markdown(page), media_type=MARKDOWN)
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    return Response(page_html(page), headers=headers, media_type=HTML)


def _page(asked: Asked, port: PortId) -> Page:
    services, product, history = asked.services, shown(asked.services, str(port.product)), asked.services.history
    services.mesh.port(str(port))
    notice = product.notices()[str(port)]
    specs = [other.spec for other in visible(services, asked.principal)]
    served = Served(
        str(port), product.spec.id, base_url(asked.request), product.spec.owner, notice.status,
        notice.successor, notice.ends, product.spec.support, _readers(specs, str(port)),
        [Release(f.version, f"{rfc3339(f.since_us)[:10]}", f.revision.hash) for f in history.releases(port)],
        history.logs(port, CHANGES_MAX),
    )  # fmt: skip
    return page_of(history.contract(port), served)


def _readers(specs: Sequence[ProductSpec], port: str) -> list[str]:
    """The processes that records of the port start, and the products that read it in any other way."""
    started = {
        f"{spec.id}:{process.name}"
        for spec in specs
        for process in spec.processes
        if any(isinstance(t, PortTrigger) and t.port == port for t in process.triggers)
    }
    others = set(readers(specs).get(port, ())) - {name.partition(":")[0] for name in started}
    return sorted(started | others)
