"""A Google Cloud function that really uses pandas; Hansa's cold start is measured on the same code."""

from __future__ import annotations

import flask
import pandas as pd


def mean_delay(request: flask.Request) -> dict[str, float]:
    """The mean delay per carrier, of the flights that have one."""
    flights = pd.DataFrame(request.get_json()).dropna()
    return {str(carrier): float(delay) for carrier, delay in flights.groupby("carrier")["delay"].mean().items()}
