"""A `ProductSpec` as JSON and back. What a later Hansa adds with a default reads from what an earlier one wrote."""

from __future__ import annotations

from typing import Final

import msgspec

from hansa.errors import OperatorError
from hansa.model.product import ProductSpec

_decode: Final = msgspec.json.Decoder(ProductSpec).decode


def encode_spec(spec: ProductSpec) -> str:
    """The JSON of a spec, in the order of its fields."""
    return msgspec.json.encode(spec).decode()


def decode_spec(text: str) -> ProductSpec:
    """The spec that `encode_spec` wrote. Raises `OperatorError("spec.damaged")`."""
    try:
        return _decode(text)
    except msgspec.MsgspecError as failure:
        raise OperatorError(
            "spec.damaged",
            f"A kept revision cannot be read: {failure}",
            hint="Restore a backup with `hansa restore`, or deploy the product again.",
        ) from failure
