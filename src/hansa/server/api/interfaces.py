"""Routes and ports in OpenAPI 3.1, streams in AsyncAPI 3.1: of a product, and of all that the caller finds in the
catalogue. `GET /openapi.json` without a token has this API and the public routes.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.server import asyncapi
from hansa.server.api.base import ApiRoute, Asked, Endpoint, base_url, json_response, principal_of
from hansa.server.api.visible import described, read_by, shown, visible
from hansa.server.operation import JSON
from hansa.server.services import Services

_OPENAPI: Final = {JSON: dict}
_ASYNCAPI: Final = {asyncapi.MEDIA: dict}


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    read = Action.CATALOGUE_READ
    return [
        endpoint.route("GET", "/products/{product}/openapi", product_openapi, read, answers=_OPENAPI),
        endpoint.route("GET", "/products/{product}/asyncapi", product_asyncapi, read, answers=_ASYNCAPI),
        endpoint.route("GET", "/asyncapi.json", mesh_asyncapi, read, answers=_ASYNCAPI),
    ]


async def product_openapi(asked: Asked) -> Response:
    """The routes and the ports of a product in OpenAPI 3.1."""
    product = asked.path("product")
    asked.allow(asked.of(product))
    descriptions = asked.services.descriptions

    def told() -> Response:
        return json_response(descriptions.openapi_of(shown(asked.services, product)))

    return await asyncio.to_thread(told)


async def product_asyncapi(asked: Asked) -> Response:
    """The streams of a product in AsyncAPI 3.1: what it sends, and what its processes receive."""
    product, url = asked.path("product"), base_url(asked.request)
    asked.allow(asked.of(product))
    descriptions = asked.services.descriptions

    def told() -> Response:
        own = shown(asked.services, product)
        document = descriptions.asyncapi_of(own, read_by(asked.services, asked.principal, own), url)
        return json_response(document, media_type=asyncapi.MEDIA)

    return await asyncio.to_thread(told)


async def mesh_asyncapi(asked: Asked) -> Response:
    """All streams that the caller may see in AsyncAPI 3.1, who sends and who receives."""
    asked.allow()
    url, descriptions = base_url(asked.request), asked.services.descriptions

    def told() -> Response:
        descriptions.keep(asked.services.mesh.products.keys())
        document = descriptions.asyncapi(visible(asked.services, asked.principal), url)
        return json_response(document, media_type=asyncapi.MEDIA)

    return await asyncio.to_thread(told)


async def mesh_openapi(services: Services, request: Request) -> Response:
    """The API and what is deployed, as far as the caller may see it; without a token, what is open to everyone."""
    principal = principal_of(services, request)

    def told() -> Response:
        services.descriptions.keep(services.mesh.products.keys())
        return json_response(services.descriptions.openapi(described(services, principal)))

    return await asyncio.to_thread(told)
