"""Verbs of who runs a Hansa: up, backup, restore, migrate, doctor, metrics, completion."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from hansa.cli.environments import LOCAL_FILE
from hansa.cli.failure import exit_code
from hansa.cli.options import AsJson, To
from hansa.cli.screen import Column
from hansa.cli.session import open_session, screen
from hansa.errors import HansaError

DOCTOR: Final = (
    Column("check", "name"),
    Column("in force", "in_force"),
    Column("detail", "detail"),
    Column("fix", "fix"),
)
MOVED: Final = (
    Column("moved", "name"),
    Column("items", "count"),
    Column("bytes", "size_bytes"),
    Column("sha-256, the same on both sides", "sha256"),
)
NODES: Final = (
    Column("node", "id"),
    Column("where", "url"),
    Column("does", "roles"),
    Column("version", "version"),
    Column("owns the log", "is_owner"),
)
Data = Annotated[Path, typer.Option("--data", help="The data folder.")]


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(up)
    app.command()(backup)
    app.command()(restore)
    app.command()(migrate)
    app.command()(doctor)
    app.command()(nodes)
    app.command()(metrics)
    app.command()(completion)


def up(
    data: Data = Path(".hansa"),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8080,
    examples: Annotated[Path | None, typer.Option(help="Deploy every product below this folder first.")] = None,
) -> None:
    """Start a Hansa on a data folder, which is made where there is none, and serve until Ctrl-C."""
    from hansa.bootstrap.examples import deploy_all
    from hansa.bootstrap.serve import serve
    from hansa.observe import output
    from hansa.server.services import Services

    for_people = not output.is_structured(os.environ)
    output.begin(os.environ)
    say: Callable[[str], None] = screen().note if for_people else logging.getLogger("hansa").info

    async def ready(services: Services, url: str, token: str | None) -> None:
        if examples is not None:
            await deploy_all(services, examples, say)
        for line in ready_lines(url, token, data, has_examples=examples is not None) if for_people else ():
            say(line)
        if not for_people:  # who collects output is not to have the token
            say(f"Hansa answers at {url}")

    say(f"Starting on {data}")
    try:
        serve(data, host, port, ready=ready)
    except HansaError as failure:
        if for_people:
            raise
        output.refused(failure)
        raise typer.Exit(exit_code(failure)) from failure


def backup(
    path: Annotated[Path, typer.Argument(help="A new folder on the server's machine.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Copy everything into a new folder, while Hansa runs."""
    with open_session(to, as_json) as session:
        done = session.client.backup(str(path.absolute()))
        session.screen.answer(done, [_size(done), *_also(done)])


def restore(
    path: Annotated[Path, typer.Argument(help="The folder that 'hansa backup' wrote.")],
    data: Data = Path(".hansa"),
    as_json: AsJson = False,
) -> None:
    """Make a data folder from a backup. The data folder must not exist; no Hansa is asked."""
    from hansa.bootstrap.backup import restore_from

    done = restore_from(path, data)
    screen(as_json).answer(done, [_size(done), *_also(done), f"next: hansa up --data {data}"])


def migrate(
    to: Annotated[Literal["engines", "folder"], typer.Argument(help="Where it goes.")],
    data: Data = Path(".hansa"),
    give_up: Annotated[bool, typer.Option("--abandon", help="Let the source be started again instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a Hansa that is stopped from its data folder to the engines, or from the engines into a new folder.

    The engines are those that HANSA_LOG, HANSA_DATABASE and HANSA_BLOBS name. Where it was interrupted, it goes on.
    """
    import os

    from hansa.bootstrap import migration

    shown = screen(as_json)
    if give_up:
        shown.note(f"{migration.abandon(data, to, os.environ)} may be started again; drop what was begun elsewhere")
        return
    moved = migration.migrate(data, to, os.environ, shown.note)
    shown.table(
        [{"name": name, **digest._asdict()} for name, digest in moved.moved.items()],
        MOVED,
        empty="It had moved before.",
    )
    for line in (f"{moved.source} is at {moved.target} now, after {moved.seconds:.1f} s", *moved.left):
        shown.note(line)


def doctor(to: To = None, as_json: AsJson = False) -> None:
    """Show which protections and limits are in force, and how to get those that are not; then it ends with 1."""
    with open_session(to, as_json) as session:
        found = session.client.doctor()
        session.screen.table(found, DOCTOR, empty="Nothing was checked.")
    if not all(item["in_force"] for item in found):
        raise typer.Exit(1)


def nodes(to: To = None, as_json: AsJson = False) -> None:
    """Show the nodes that share this Hansa's log: where they are, what they do, which one owns it."""
    with open_session(to, as_json) as session:
        session.screen.table(session.client.nodes(), NODES, empty="There is no node.")


def metrics(to: To = None) -> None:
    """Print the metrics of the server, as Prometheus reads them."""
    with open_session(to) as session:
        print(session.client.metrics(), end="")


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="The shell.")],
) -> None:
    """Print what makes the shell complete commands, options and ids: put it into the shell's start file."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    if shell == "bash":
        print("COMP_WORDBREAKS=${COMP_WORDBREAKS//[:@]/}  # an id is one word")
    print(get_completion_script(prog_name="hansa", complete_var="_HANSA_COMPLETE", shell=shell))


EXAMPLES: Final = (
    "{hansa} products",
    "{hansa} read operations.flights/departures@1 --limit 3",
    "curl -H 'Authorization: Bearer {token}' {url}/analytics/outlook/airports/JFK",
)
FIRST: Final = ("{hansa} domains create shop", "{hansa} new shop.orders", "cd orders && {hansa} deploy")


def ready_lines(url: str, token: str | None, data: Path, *, has_examples: bool) -> Iterator[str]:
    """What people read when a Hansa answers: where, with which token, and three commands to try. A token that was told
    before (None) is not told again."""
    yield f"Hansa answers at {url} (its routes: {url}/openapi.json)"
    if token is None:
        yield f"The admin's token is that of the other nodes; it stands in {data / LOCAL_FILE.name}"
        return
    yield f"The admin's token: {token}"
    if data.name != LOCAL_FILE.parent.name:
        yield f"Commands need it: export HANSA_URL={url} HANSA_TOKEN={token}"
    yield "Try, in another terminal (Ctrl-C here ends Hansa):"
    for command in EXAMPLES if has_examples else FIRST:
        yield f"  {command.format(url=url, token=token, hansa=_program())}"


def _program() -> str:
    """How this command is called where it was called from."""
    import shutil
    import sys

    return "hansa" if shutil.which("hansa") else sys.argv[0]


def _also(done: Mapping[str, Any]) -> list[str]:
    return [f"also to be kept: {told}" for told in done["also"]]


def _size(done: Mapping[str, Any]) -> str:
    return f"{done['path']}: {done['files']} files, {done['size_bytes']} bytes"
