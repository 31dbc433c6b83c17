"""Tools that nobody here wrote, at hand."""

from __future__ import annotations

import pytest
from linters import Linters
from strangers import stranger

DATACONTRACT = "datacontract-cli==1.2.8"
DATAPRODUCT = "dataproduct-cli==0.3.2"


@pytest.fixture(scope="session")
def linters() -> Linters:
    """Both linters; their environments are made at first use."""
    return Linters(stranger(DATACONTRACT), stranger(DATAPRODUCT))
