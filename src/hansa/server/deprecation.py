"""What an answer of a deprecated product warns with: `Deprecation` (RFC 9745) and `Link` (RFC 8288)."""

from __future__ import annotations

from hansa.model.product import ProductState
from hansa.runtime.live import LiveProduct


def warning_headers(live: LiveProduct | None) -> dict[str, str]:
    """The headers of an answer about a product; none where it is not deprecated."""
    if live is None or live.state is not ProductState.DEPRECATED:
        return {}
    return {"deprecation": f"@{live.state_us // 1_000_000}", **successor_link("products", live.successor)}


def successor_link(kind: str, successor: str | None) -> dict[str, str]:
    """The link to the product or port that comes in the place of another; `kind` is `products` or `ports`."""
    return {"link": f'</{kind}/{successor}>; rel="successor-version"'} if successor else {}
