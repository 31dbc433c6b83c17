"""What every command that talks to a Hansa has: the client, the screen, and the product's folder it is given in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from hansa.cli import folder as folders
from hansa.cli.environments import Environment, config_file, find_environment
from hansa.cli.screen import Screen
from hansa.client.client import Client


class Session:
    """One command's connection. Ids may be short inside a product's folder."""

    def __init__(self, environment: Environment, client: Client, screen: Screen) -> None:
        self.environment = environment
        self.client = client
        self.screen = screen

    @cached_property
    def folder(self) -> folders.ProductFolder | None:
        """The product's folder around the current one."""
        return folders.find_folder(Path.cwd())

    def product(self, text: str | None) -> str:
        """The product's whole id; the folder's own where nothing is given."""
        return folders.product_id(text, self.folder if text is None or "." not in text else None)

    def process(self, text: str) -> str:
        """The process's whole id."""
        return folders.process_id(text, self.folder if text.find(":") <= 0 else None)

    def port(self, text: str) -> str:
        """The port's whole id; without a major, the newest."""
        return folders.port_id(text, None if "/" in text else self.folder, self._ports())

    def _ports(self) -> Iterator[str]:
        yield from (port["id"] for port in self.client.ports.all())


@contextmanager
def open_session(to: str | None, as_json: bool = False, *, timeout_s: float = 60.0) -> Iterator[Session]:
    """A session with the environment `to`, or the one that is chosen here (see `hansa.cli.environments`)."""
    environment = here(to)
    shown = screen(as_json)
    with Client(environment.url, environment.token, timeout_s=timeout_s, on_notice=shown.note) as client:
        yield Session(environment, client, shown)


def here(to: str | None) -> Environment:
    """The environment that this process's variables and folder choose."""
    return find_environment(to, variables=os.environ, folder=Path.cwd(), config=config_file(os.environ))


def screen(as_json: bool = False) -> Screen:
    """The screen on this process's standard output and error."""
    return Screen(sys.stdout, sys.stderr, as_json=as_json)


def product_folder(path: Path | None) -> folders.ProductFolder:
    """The product in the folder `path`, or around the current one. Raises `CallerError("folder.none")` outside."""
    found = folders.find_folder((path or Path.cwd()).resolve())
    if found is None:
        raise folders.no_product(path or Path.cwd())
    return found
