"""Verbs on a product's folder: new, sync, test, dev."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.commands.running import output_lines
from hansa.cli.failure import error_lines
from hansa.cli.folder import ProductFolder
from hansa.cli.options import AcceptBreaking, AsJson, Folder, To
from hansa.cli.screen import Screen
from hansa.cli.session import Session, open_session, product_folder, screen
from hansa.errors import HansaError


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(new)
    app.command()(sync)
    app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(check)
    app.command()(dev)


def new(
    product: Annotated[str, typer.Argument(help="The id of the new product, such as operations.flights.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; a folder of the product's name unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the folder of a new product: complete, tested, and deployable as it is."""
    from hansa.cli.scaffold import scaffold
    from hansa.model.ids import ProductId

    identity = ProductId.parse(product)
    target = folder or Path(identity.name)
    files = scaffold(identity, target)
    lines = [
        *(f"{target}/{file}" for file in files),
        "",
        f"next: cd {target} && hansa test && hansa deploy",
        f"Where the domain {identity.domain} is not made yet: hansa domains create {identity.domain}",
    ]
    screen(as_json).answer({"product": product, "folder": str(target), "files": files}, lines)


def sync(folder: Folder = None, to: To = None, as_json: AsJson = False) -> None:
    """Write ports.py from product.yaml, the contracts, and the contracts of the ports that the product reads."""
    from hansa.contracts.seal import PORTS_FILE

    own = product_folder(folder)
    is_changed = _synced(own, to)
    path = own.path / PORTS_FILE
    line = f"{path} is written" if is_changed else f"{path} is up to date"
    screen(as_json).answer({"file": str(path), "changed": is_changed}, [line])


def check(context: typer.Context) -> None:
    """Run the tests of the product around the current folder; what follows goes to pytest as it is."""
    own = product_folder(None)
    command = [sys.executable, "-m", "pytest", "--rootdir", str(own.path), *_own_settings(own.path), *context.args]
    done = subprocess.run(command, cwd=own.path, check=False)
    raise typer.Exit(done.returncode)


def _own_settings(folder: Path) -> list[str]:
    """The product's own pytest settings, or none: those of a folder above were not made for it."""
    names = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
    return [] if any((folder / name).exists() for name in names) else ["-c", os.devnull]


def dev(
    folder: Folder = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Run calls from standard input in this process, for a debugger.")
    ] = False,
    accept_breaking: AcceptBreaking = "",
    to: To = None,
) -> None:
    """Deploy at each save, and show what runs print."""
    own = product_folder(folder)
    if inline:
        from hansa.cli.inline import work

        work(own.path, sys.stdin, screen())
        return
    with open_session(to) as session:
        session.screen.note(f"Watching {own.path}; Ctrl-C ends it.")
        threading.Thread(target=_follow, args=(to, own.id, session.screen), daemon=True).start()
        _redeploy(session, own, to, accept_breaking)


def _redeploy(session: Session, own: ProductFolder, to: str | None, accept_breaking: str) -> None:
    """Deploys now and at each save, until interrupted. What is wrong is said, and the next save waited for."""
    from hansa.blobs.bundle import pack
    from hansa.cli.watch import saves

    for changed in saves(own.path):
        try:
            if any(name.endswith(".yaml") for name in changed) and _synced(own, to):
                session.screen.note("ports.py is written anew from product.yaml and the contracts")
            done = session.client.products.deploy(
                own.id, pack(own.path).data, note="hansa dev", accept_breaking=accept_breaking
            )
        except HansaError as error:
            for line in error_lines(error):
                session.screen.note(line)
        else:
            session.screen.note(f"live: {done['product']} {done['revision']} ({done['seconds']:.2f} s)")


def _synced(own: ProductFolder, to: str | None) -> bool:
    """Brings ports.py up to date. A Hansa is asked only where the product reads other products' ports."""
    from hansa.cli.ports import sync_ports
    from hansa.contracts.odps import read_product

    if not any(port.port.partition("/")[0] != own.id for port in read_product(own.path).inputs):
        return sync_ports(own.path, None)
    with open_session(to) as session:
        return sync_ports(own.path, session.client)


def _follow(to: str | None, product: str, shown: Screen) -> None:
    """Shows what the product's runs print, until the server goes."""
    try:
        with open_session(to) as session:
            for output in session.client.runs.output(product=product, follow=True):
                for line in output_lines(output):
                    shown.note(line)
    except HansaError as error:
        for line in error_lines(error):
            shown.note(line)
