"""Products: find, plan, consent, deploy, roll back, move from state to state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from hansa.client.problem import error_of
from hansa.client.transport import Transport
from hansa.errors import OperatorError

DEPLOY_SILENCE_S: Final = 300.0
_TAR: Final = {"content-type": "application/x-tar"}


class Products:
    """`/products`. Bundles are the tars that `hansa.blobs.bundle.pack` makes."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(
        self,
        text: str | None = None,
        *,
        tag: str | None = None,
        owner: str | None = None,
        domain: str | None = None,
        state: str | None = None,
    ) -> dict[str, Any]:
        """`{items, hint}`: the products that fit, best first; all where nothing is asked."""
        query = {"text": text, "tag": tag, "owner": owner, "domain": domain, "state": state}
        return self._transport.get("/products", query)

    def get(self, product: str) -> dict[str, Any]:
        """The product with its spec, its lineage in short and its health."""
        return self._transport.get(f"/products/{product}")

    def document(self, product: str, form: str = "yaml") -> str:
        """The live product as an ODPS document; `form` is yaml or json."""
        answer = self._transport.send("GET", f"/products/{product}/document", {"format": form})
        return answer.body.decode()

    def openapi(self, product: str) -> dict[str, Any]:
        """The product's routes and ports in OpenAPI 3.1."""
        return self._transport.get(f"/products/{product}/openapi")

    def asyncapi(self, product: str) -> dict[str, Any]:
        """The product's streams in AsyncAPI 3.1."""
        return self._transport.get(f"/products/{product}/asyncapi")

    def changes(self, product: str, older: str | None = None, newer: str | None = None) -> dict[str, Any]:
        """`{product, older, newer, entries}`: what changed between two revisions; the last two unless named."""
        return self._transport.get(f"/products/{product}/changes", {"older": older, "newer": newer})

    def revisions(self, product: str) -> list[dict[str, Any]]:
        """The product's revisions."""
        return self._transport.items(f"/products/{product}/revisions")

    def plan(self, product: str, bundle: bytes) -> dict[str, Any]:
        """`{revision, since, state, changes, consumers, expectations, consents, findings, notes, hash}`: what a deploy
        of the bundle would do, whom it hits, whose consent it takes, and why it would be refused. Nothing is done."""
        path = f"/products/{product}/plan"
        return self._transport.post(path, bundle, headers=_TAR, timeout_s=DEPLOY_SILENCE_S)

    def deploy(
        self,
        product: str,
        bundle: bytes,
        *,
        note: str = "",
        accept_breaking: str = "",
        plan: str = "",
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Makes the bundle live and answers `{product, revision, created, previous, routes, ports, processes,
        seconds}`.

        Changes that break consumers are refused unless all their consents are given; `accept_breaking` says why an
        owner forces them. `plan` is the `hash` of the plan that was seen: what is another plan by now is refused.
        `on_progress` gets each line of progress as it comes. Where the deploy fails, the revision before serves on;
        raises `PlanError` with every finding, or `OperatorError("deploy.interrupted")` where the answer ended early.
        """
        path = f"/products/{product}/deploy"
        query = {"note": note or None, "accept_breaking": accept_breaking or None, "plan": plan or None}
        with self._transport.lines("POST", path, query, body=bundle, headers=_TAR, timeout_s=DEPLOY_SILENCE_S) as lines:
            return _deployed(product, lines, on_progress)

    def rollback_plan(self, product: str, to: str | None = None) -> dict[str, Any]:
        """What a rollback would do, as `plan` tells it of a deploy. Nothing is done."""
        return self._transport.get(f"/products/{product}/rollback", {"to": to}, timeout_s=DEPLOY_SILENCE_S)

    def rollback(
        self, product: str, to: str | None = None, *, accept_breaking: str = "", plan: str = ""
    ) -> dict[str, Any]:
        """Makes the revision `to` live again, or the one before the live one. What takes away what consumers use is
        refused as in `deploy`; `accept_breaking` and `plan` are as there. Raises `PlanError` with every finding."""
        body = {"to": to, "accept_breaking": accept_breaking, "plan": plan}
        return self._transport.post(f"/products/{product}/rollback", body, timeout_s=DEPLOY_SILENCE_S)

    def move(self, product: str, state: str, *, successor: str | None = None, dry: bool = False) -> dict[str, Any]:
        """Moves the product to another state and answers `{before, after, effects, read_by, refusal, done}`; with `dry`
        it shows that and does nothing."""
        body = {"state": state, "successor": successor, "dry": dry}
        return self._transport.post(f"/products/{product}/state", body)

    def consent(
        self, port: str, candidate: str, reason: str, *, domain: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """Consents, for a domain or an account, to the change of a port from its live revision to the candidate. The
        answer has all consents to it."""
        body = {"port": port, "candidate": candidate, "reason": reason, "domain": domain, "account": account}
        found: list[dict[str, Any]] = self._transport.post(f"/products/{port.partition('/')[0]}/consents", body)[
            "items"
        ]
        return found

    def consents(self, product: str, candidate: str) -> list[dict[str, Any]]:
        """The consents that lead to a candidate."""
        found: list[dict[str, Any]] = self._transport.get(f"/products/{product}/consents", {"candidate": candidate})[
            "items"
        ]
        return found

    def retire(self, product: str) -> dict[str, Any]:
        """Ends the product. Refused while another product reads its ports."""
        return self._transport.post(f"/products/{product}/retire", {})


def _deployed(product: str, lines: Iterable[str], on_progress: Callable[[str], None]) -> dict[str, Any]:
    for line in filter(None, lines):
        message = msgspec.json.decode(line)
        if "progress" in message:
            on_progress(message["progress"])
        elif "error" in message:
            raise error_of(int(message["error"].get("status", 500)), message["error"])
        elif "result" in message:
            result: dict[str, Any] = message["result"]
            return result
    raise OperatorError(
        "deploy.interrupted",
        f"The answer ended before {product} was deployed",
        hint=f"See with 'hansa show {product}' which revision is live, then deploy again.",
    )
