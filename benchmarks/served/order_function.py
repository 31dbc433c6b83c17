"""The workload as a Google Cloud function."""

from __future__ import annotations

import flask

from benchmarks.workload import Order, add_tax, add_total, summarise


def price(request: flask.Request) -> Order:
    """Price the order in the body."""
    return summarise(add_tax(add_total(request.get_json())))
