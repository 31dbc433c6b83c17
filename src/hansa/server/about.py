"""What the documents of a product say of it: the part that OpenAPI and AsyncAPI have in one form."""

from __future__ import annotations

from typing import Any

from hansa.model.product import ProductSpec


def about(spec: ProductSpec) -> dict[str, Any]:
    """The `info` of a product: its version, its owner, where to turn to."""
    place = next((told["url"] for told in spec.support if told.get("url")), None)
    contact = {**({"name": spec.owner} if spec.owner else {}), **({"url": place} if place else {})}
    return {
        "title": spec.name,
        "version": spec.version,
        **({"description": spec.description} if spec.description else {}),
        **({"contact": contact} if contact else {}),
    }
