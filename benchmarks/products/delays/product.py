"""The function that cold starts are measured with: it really uses pandas. functions-framework serves the same code."""

from typing import Any

import pandas as pd

from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def mean_delay(body: dict[str, Any]) -> dict[str, float]:
    """The mean delay per carrier, of the flights that have one."""
    flights = pd.DataFrame(body).dropna()
    return {str(carrier): float(delay) for carrier, delay in flights.groupby("carrier")["delay"].mean().items()}


product.process("mean", mean_delay, reply, on=http.post("/mean"))
