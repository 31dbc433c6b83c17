"""How to read a port, in lines to copy."""

from __future__ import annotations

from hansa.contracts.page.blocks import Block, Code
from hansa.model.product import ContractSpec

_CURL = """\
curl -H "Authorization: Bearer $HANSA_TOKEN" \\
  {url}/ports/{port}/records?limit=10"""
_FEED = """\
curl -H "Authorization: Bearer $HANSA_TOKEN" -H "Accept: application/cloudevents-batch+json" \\
  {url}/ports/{port}/records?timeout=30000"""
_FOLLOW = """\
curl -N -H "Authorization: Bearer $HANSA_TOKEN" -H "Accept: text/event-stream" \\
  {url}/ports/{port}/records"""
_PYTHON = """\
import os

from hansa.client import Client

with Client("{url}", os.environ["HANSA_TOKEN"]) as client:
    for item in client.ports.read("{port}", limit=10):
        print(item["record"])"""
_LOOKUP = """\
curl -H "Authorization: Bearer $HANSA_TOKEN" \\
  "{url}/ports/{port}/lookup?{query}\""""


def how_to_read(port: str, url: str, contract: ContractSpec) -> list[Block]:
    """Each way in which the port can be read, with its own address."""
    told = {"A page of records": _CURL, "As an HTTP Feed of CloudEvents": _FEED, "As they come": _FOLLOW}
    found: list[Block] = [Code(label, text.format(url=url, port=port)) for label, text in told.items()]
    if contract.key:
        query = "&".join(f"{name}=…" for name in contract.key)
        found.append(Code("The latest record of a key", _LOOKUP.format(url=url, port=port, query=query)))
    return [*found, Code("In Python", _PYTHON.format(url=url, port=port))]
