"""The Python client of a Hansa's HTTP API: one method per operation, errors as the tree of `hansa.errors`."""

from hansa.client.client import Client

__all__ = ["Client"]
