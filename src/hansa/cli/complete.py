"""Completion of ids: the server is asked, and has 300 ms; a shell never waits longer and never sees an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from hansa.errors import HansaError

PATIENCE_S: Final = 0.3


def products(incomplete: str) -> list[str]:
    """Ids of products."""
    return _asked(lambda client: (item["id"] for item in client.products.find()["items"]), incomplete)


def processes(incomplete: str) -> list[str]:
    """Ids of processes; their names alone inside their product's folder."""
    return _asked(lambda client: _short(":", (item["id"] for item in client.processes.all())), incomplete)


def ports(incomplete: str) -> list[str]:
    """Ids of output ports; their names alone inside their product's folder."""
    return _asked(lambda client: _short("/", (item["id"] for item in client.ports.all())), incomplete)


def runs(incomplete: str) -> list[str]:
    """Ids of the latest runs."""
    return _asked(lambda client: (item["id"] for item in client.runs.find(limit=20)["items"]), incomplete)


def domains(incomplete: str) -> list[str]:
    """Names of domains."""
    return _asked(lambda client: (item["name"] for item in client.domains.all()), incomplete)


def people(incomplete: str) -> list[str]:
    """Ids of people and service accounts."""
    return _asked(lambda client: (item["id"] for item in client.people.all()), incomplete)


def tokens(incomplete: str) -> list[str]:
    """Ids of tokens that are not revoked."""
    return _asked(lambda client: (item["id"] for item in client.tokens.all() if not item["revoked"]), incomplete)


def environments(incomplete: str) -> list[str]:
    """Names of environments."""
    from hansa.cli.environments import config_file, environment_names

    try:
        return [name for name in environment_names(config_file(os.environ)) if name.startswith(incomplete)]
    except HansaError:
        return []


def _asked(ask: Callable[..., Iterable[str]], incomplete: str) -> list[str]:
    from hansa.cli.session import open_session

    try:
        with open_session(None, timeout_s=PATIENCE_S) as session:
            return sorted({found for found in ask(session.client) if found.startswith(incomplete)})
    except HansaError:
        return []


def _short(mark: str, ids: Iterable[str]) -> Iterable[str]:
    """The ids, and for those of the product of this folder the part behind `mark`, too."""
    from pathlib import Path

    from hansa.cli.folder import find_folder

    folder = find_folder(Path.cwd())
    for whole in ids:
        yield whole
        if folder is not None and whole.startswith(f"{folder.id}{mark}"):
            yield whole.partition(mark)[2].partition("@")[0]
