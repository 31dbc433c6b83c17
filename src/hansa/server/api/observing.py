"""What monitoring reads."""

from __future__ import annotations

from starlette.responses import Response

from hansa.access.decide import Action
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.scrape import scraped


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [endpoint.route("GET", "/metrics", metrics, Action.METRICS_READ, answers={"text/plain": str})]


async def metrics(asked: Asked) -> Response:
    """The metrics of this node in Prometheus' text format, or OpenMetrics where the caller accepts it."""
    asked.allow()
    body, media = await scraped(asked.services, asked.request.headers.get("accept", ""))
    return Response(body, headers={"content-type": media})
