"""What the example mesh consists of, as plain data: `make run` creates the domains and deploys the products in order.

Each entry of `PEOPLE` and `DOMAINS` is the body of the API call that makes it. A product's folder is `domain/product`.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent

PEOPLE = (
    {"id": "ines", "name": "Ines Duarte", "contact": "ines@example.org"},
    {"id": "tomas", "name": "Tomás Novák", "contact": "tomas@example.org"},
    {"id": "maren", "name": "Maren Holt", "contact": "maren@example.org"},
    {"id": "priya", "name": "Priya Raman", "contact": "priya@example.org"},
)

DOMAINS = (
    {"name": "reference", "description": "What changes seldom and everybody needs.", "owner": "ines"},
    {"name": "weather", "description": "What the weather stations measure.", "owner": "tomas"},
    {"name": "operations", "description": "What flies, and when.", "owner": "maren"},
    {"name": "analytics", "description": "What can be learned from the other domains.", "owner": "priya"},
)

PRODUCTS = (
    "reference.carriers",
    "reference.airports",
    "reference.aircraft",
    "weather.stations",
    "operations.flights",
    "analytics.departure_weather",
    "analytics.outlook",
)
"""Ids, each behind those whose ports it reads."""


def folder_of(product: str) -> Path:
    """The folder of a product of the mesh."""
    return FOLDER.joinpath(*product.split("."))
