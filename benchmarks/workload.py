"""The work that every contender does for one call: price an order in two steps and an aggregate.

Only the standard library: this module runs inside the peers' own environments too, so all of them do the same.
"""

from __future__ import annotations

import json
from typing import Any

Order = dict[str, Any]

TAX_PERCENT = 19
ORDER: Order = {
    "order": 17,
    "items": [
        {"sku": "HB-0417", "quantity": 3, "price_cents": 1250},
        {"sku": "LU-2208", "quantity": 12, "price_cents": 385},
        {"sku": "BR-0031", "quantity": 1, "price_cents": 24900},
        {"sku": "VI-7730", "quantity": 40, "price_cents": 9},
    ],
}
BODY = json.dumps(ORDER, separators=(",", ":")).encode()
"""The request's body, about 200 bytes."""

PRICED: Order = {"order": 17, "total": 33630, "tax": 6389}
"""What every contender must answer to `BODY`; amounts in cents. Written down, not computed, so that it can disagree."""


def add_total(order: Order) -> Order:
    """Step one: the order with its total in cents."""
    return {**order, "total": sum(item["quantity"] * item["price_cents"] for item in order["items"])}


def add_tax(order: Order) -> Order:
    """Step two: the order with the tax on its total, rounded down to whole cents."""
    return {**order, "tax": order["total"] * TAX_PERCENT // 100}


def summarise(order: Order) -> Order:
    """The aggregate: what the caller is told."""
    return {"order": order["order"], "total": order["total"], "tax": order["tax"]}


DELAYS: dict[str, list[Any]] = {
    "carrier": ["UA", "AA", "UA", "B6", "AA", "UA", "DL", "B6"],
    "delay": [2.0, 4.0, None, -1.0, 8.0, 20.0, None, 0.0],
}
"""Departures for the function that uses pandas; two have no delay."""

MEAN_DELAYS = {"AA": 6.0, "B6": -0.5, "UA": 11.0}
"""What it must answer to `DELAYS`."""
