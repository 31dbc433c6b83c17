"""Verbs about what is kept: views, and forgetting a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from hansa.cli.options import AsJson, ProductOption, To
from hansa.cli.screen import Column
from hansa.cli.session import open_session

VIEWS: Final = (
    Column("view", "name"),
    Column("kind", "kind"),
    Column("version", "version"),
    Column("behind", lambda row: f"{row['behind']} {row['unit']}"),
    Column("cursor", "cursor"),
    Column("error", "error"),
)


_SPEAKS: Final = ("persons", "records", "runs", "events", "unfinished", "elsewhere", "states")


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    group = typer.Typer(name="views", help="What is made of the log, and can be made anew.", no_args_is_help=True)
    group.command("list")(views_list)
    group.command("rebuild")(views_rebuild)
    app.add_typer(group)
    app.command()(forget)


def views_list(to: To = None, as_json: AsJson = False) -> None:
    """List the views and lookups, how far behind the log each is, and why one is broken."""
    with open_session(to, as_json) as session:
        session.screen.table(session.client.views.all(), VIEWS, empty="No views.")


def views_rebuild(
    name: Annotated[str, typer.Argument(help="The view's name, or the port of a lookup.")],
    partial: Annotated[bool, typer.Option(help="Accept to lose what retention took from the log.")] = False,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for it; it goes on behind them.")] = 300.0,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Build a view or a lookup anew from the log, while Hansa serves."""
    with open_session(to, as_json) as session:
        done = session.client.views.rebuild(name, partial=partial, wait_s=wait_s)
        told = "is rebuilt and shows all that is committed" if done["rebuilt"] else "is being rebuilt; it goes on"
        session.screen.answer(done, [f"{name} {told}"])


def forget(
    subject: Annotated[str, typer.Argument(help="The person's id, as it stands in the records.")],
    product: ProductOption = None,
    is_confirmed: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person for good: their records, and the content of the runs and events that speak of them.

    Says what there is and asks, unless --yes is given. With --json and without --yes, nothing is done.
    """
    with open_session(to, as_json) as session:
        persons = session.client.persons
        if not is_confirmed:
            found = persons.find(subject, product)
            session.screen.answer(found, found_lines(found, "would be forgotten"))
            if not any(found[name] for name in _SPEAKS):
                session.screen.note(f"There is nothing to forget: nothing here speaks of {subject!r}.")
                return
            if as_json:
                return
            typer.confirm("Forget this for good?", abort=True)
        done = persons.forget(subject, product)
        session.screen.answer(done, found_lines(done, "are forgotten"))


def found_lines(found: Mapping[str, Any], verb: str) -> Iterator[str]:
    """What people read of a person who is, or would be, forgotten."""
    records = ", ".join(f"{count} of {port}" for port, count in found["records"].items())
    yield f"records that {verb}: {records or 'none'}"
    yield f"runs whose content {verb.replace('are', 'is')}: {found['runs']}"
    yield f"events whose payloads {verb}: {found['events']}"
    more = (
        ("unfinished", "Runs that are not over and are cancelled for it"),
        ("states", "Processes whose state is rewritten without the person"),
        ("elsewhere", "Left, as other products have something that speaks of the person: forget there, too"),
    )
    for name, told in more:
        if found[name]:
            yield f"{told}: {', '.join(found[name])}"
    if found["left"]:
        records = ", ".join(f"{count} of {port}" for port, count in found["left"].items())
        yield f"Left, as no contract says whose they are (publish a deletion, or name a subject first): {records}"
