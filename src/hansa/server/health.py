"""How a Hansa is: for people, and for whoever restarts it or sends it calls."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.errors import Unavailable
from hansa.server.api.base import json_response
from hansa.server.services import Services


def routes(services: Services) -> list[Route]:
    """`/health` tells everything that is wrong. `/health/live` answers as long as the event loop turns: who gets no
    answer may kill the process. `/health/ready` is 503 where no calls should be sent here now, with the reasons."""

    async def health(_: Request) -> Response:
        return json_response(
            {
                "status": "degraded" if (problems := problems_of(services)) else "ok",
                "version": services.version,
                "products": len(services.mesh.products),
                "problems": problems,
            }
        )

    async def live(_: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_: Request) -> Response:
        if reasons := unready(services):
            return json_response({"status": "unready", "problems": reasons}, 503, {"retry-after": "1"})
        return json_response({"status": "ok"})

    return [Route("/health", health), Route("/health/live", live), Route("/health/ready", ready)]


def problems_of(services: Services) -> list[str]:
    """Everything that is wrong, in words."""
    behind = [*map(str, services.views.failures()), *map(str, services.followed.failures())]
    return [*behind, *_without(services), *map(str, services.mesh.failures.values())]


def unready(services: Services) -> list[str]:
    """Why no calls should be sent here now; empty where they should. A product that cannot be served is no reason:
    another node would not serve it either."""
    found = _without(services)
    if not services.node.knows_owner():
        found.append("No node is known that owns the log")
    return ["This node ends", *found] if services.node.drains else found


def _without(services: Services) -> list[str]:
    """What the server lacks to do anything that lasts."""
    stopped = services.log.log.failure()
    found = [f"The log takes no more commits: {stopped}"] if stopped else []
    try:
        services.authenticator.check_lease()
    except Unavailable as stale:
        found.append(str(stale))
    return found
