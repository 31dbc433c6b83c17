"""OpenAPI 3.1 of a Hansa: its API, and of each product the deployed routes and the ports that are read over HTTP.

A document is put together from parts. The part of a product depends on its revision and nothing else but the notices
on it and its ports, so it can be kept (`hansa.server.parts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hansa.model.product import ProductSpec
from hansa.server import openapi_ports, openapi_routes
from hansa.server.notice import Notice
from hansa.server.parts import Part, joined

VERSION: Final = "3.1.0"
MEDIA: Final = "application/vnd.oai.openapi+json;version=3.1"


def part_of(spec: ProductSpec, notices: Mapping[str, Notice], *, public_only: bool = False) -> Part:
    """The part of a product. `notices` are on it and on its ports, by id. `public_only` has the public routes alone:
    what stands open to everyone."""
    own = notices.get(spec.id, Notice())
    paths, schemas = openapi_routes.described(spec, own, public_only=public_only)
    if not public_only:
        of_ports, of_records = openapi_ports.described(spec, notices)
        paths, schemas = {**paths, **of_ports}, {**schemas, **of_records}
    tags = {spec.id: {"name": spec.id, "description": spec.description or spec.name}} if paths else {}
    return {"paths": paths, "schemas": schemas, "tags": tags}


def document(version: str, parts: Iterable[Part], info: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The whole document, of a Hansa of that `version` unless `info` is that of something else."""
    found = joined(parts)
    return {
        "openapi": VERSION,
        "info": info or {"title": "Hansa", "version": version},
        "tags": list(found["tags"].values()),
        "paths": found["paths"],
        "components": {
            "schemas": found["schemas"],
            "parameters": found["parameters"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`hansa tokens` has it."}},
        },
    }
