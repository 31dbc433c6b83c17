"""Applications for policies become events; each is assigned, once, to the agent who sells such policies."""

from typing import Any

import msgspec

from hansa import Context, DataProduct, http, on

AGENTS = {"P100": "Trillian", "P200": "Marvin", "P300": "Marvin", "P400": "Trillian", "P500": "Trillian"}

product = DataProduct(__file__)


LOC_NAMES = {"request": "requestID", "policy": "policyCode", "applicant": "applicantID"}


class Application(msgspec.Struct, frozen=True, rename=LOC_NAMES):
    """As LOC's clients send it."""

    request: str
    policy: str
    applicant: str


@product.logic
def announce(applications: list[Application], *, ctx: Context) -> int:
    """An event from the applicant to the request, for each application."""
    for made in applications:
        payload = {"policy": made.policy}
        ctx.emit("EventPolicyRequest", source=made.applicant, target=made.request, payload=payload)
    return len(applications)


@product.aggregator
def respond(count: int) -> dict[str, int]:
    return {"emitted_length": count}


@product.logic
def assign(event: dict[str, Any], *, ctx: Context) -> str:
    """An event from the request to its agent; nothing new for a request that has one."""
    request = event["target"]
    assigned = ctx.state.get(request)
    if assigned is None:
        assigned = AGENTS[event["payload"]["policy"]]
        ctx.state.put(request, assigned)
        ctx.emit("EventAssignAgent", source=request, target=assigned)
    return str(assigned)


@product.aggregator
def tell(agent: str) -> dict[str, str]:
    return {"agent": agent}


product.process("apply", announce, respond, on=http.post("/applications"))
product.process("assign", assign, tell, on=on.event("EventPolicyRequest"))
