"""A product that has pandas and pyarrow loaded and waits: what it costs in memory is measured."""

from typing import Any

import pandas as pd  # noqa: F401 - loaded, as it would be
import pyarrow as pa

from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def mean_delay(body: dict[str, Any]) -> dict[str, float]:
    """The mean delay per carrier, through both libraries."""
    flights = pa.table(body).to_pandas().dropna()
    return {str(carrier): float(delay) for carrier, delay in flights.groupby("carrier")["delay"].mean().items()}


product.process("mean", mean_delay, reply, on=http.post("/mean"))
