"""The documents of what is live, as the standards have them: products in Bitol ODPS, contracts in ODCS.

YAML, or JSON where `Accept` or `format=json` asks for it. Each is the author's file, whole, with what a deployment
adds: the status that the registry has, resolved versions and contracts, ids, and where the data is served.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.contracts.export import Deployed, contract_document, product_document
from hansa.contracts.odps import ProductFiles, read_files
from hansa.contracts.write import json_text, yaml_text
from hansa.model.ids import PortId
from hansa.server.api.base import JSON, ApiRoute, Asked, Endpoint

ODPS_YAML: Final = "application/odps+yaml"
ODCS_YAML: Final = "application/odcs+yaml"


class DocumentQuery(msgspec.Struct):
    """`format` goes before the Accept header."""

    format: Literal["yaml", "json"] | None = None


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    of_product, of_port = "/products/{product}/document", "/ports/{product}/{port}/contract"
    read = Action.CATALOGUE_READ
    return [
        endpoint.route("GET", of_product, product_as_odps, read, answers=(ODPS_YAML, JSON)),
        endpoint.route("GET", of_port, contract_as_odcs, read, answers=(ODCS_YAML, JSON)),
    ]


async def product_as_odps(asked: Asked, query: DocumentQuery) -> Any:
    """The live product as an ODPS document."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    files, deployed = await asyncio.to_thread(_live, asked, product)
    return await _told(asked, query, product_document(files.document.data, deployed), ODPS_YAML)


async def contract_as_odcs(asked: Asked, query: DocumentQuery) -> Any:
    """The contract of a live output port as an ODCS document."""
    product = asked.path("product")
    port_id = str(PortId.parse(f"{product}/{asked.path('port')}"))
    asked.allow(asked.of(product))
    port = asked.services.mesh.port(port_id)
    files, deployed = await asyncio.to_thread(_live, asked, product)
    document = contract_document(files.contracts[port_id].document.data, port, deployed)
    return await _told(asked, query, document, ODCS_YAML)


def _live(asked: Asked, product: str) -> tuple[ProductFiles, Deployed]:
    """The files of the live revision, and what is known of it; a retired product's are those that were live last."""
    mesh = asked.services.mesh
    found = asked.services.registry.product(product)
    ports = {port.id: port for spec in mesh.specs() for port in spec.outputs}
    url = str(asked.request.base_url).rstrip("/")
    return read_files(mesh.folder(found.live)), Deployed(found.live.spec, found.live.hash, found.state, url, ports)


async def _told(asked: Asked, query: DocumentQuery, document: dict[str, Any], media_type: str) -> Response:
    accepted = asked.request.headers.get("accept", "")
    if query.format == "json" or (query.format is None and "json" in accepted):
        return Response(json_text(document), media_type=JSON)
    text = await asyncio.to_thread(yaml_text, document)
    version = str(document["apiVersion"]).removeprefix("v")
    return Response(text, media_type=f"{media_type};version={version}")
