"""Verbs on records that broke their contract and were set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
import typer

from hansa.cli import complete
from hansa.cli.commands.running import read_payload
from hansa.cli.options import After, AsJson, Limit, ProductOption, To
from hansa.cli.screen import Column, facts, moment
from hansa.cli.session import open_session

Entry = Annotated[str, typer.Argument(metavar="ENTRY", help="Its id, as 'hansa quarantine list' shows it.")]


def _why(row: Mapping[str, Any]) -> str:
    first, *more = row["reasons"]
    told = f"{first['path'] or 'record'}: {first['message']}"
    return f"{told} (and {len(more)} more)" if more else told


_COLUMNS: Final = (
    Column("entry", "id"),
    Column("port", "port"),
    Column("state", "state"),
    Column("held", "held_at", moment),
    Column("why", _why),
    Column("run", "run"),
)
_FACTS: Final = [
    "id", "port", "state", "process", "run", "held_at", "corrected_by", "settled_at", "settled_by", "settled_run",
    "reason",
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    help_ = "Records that broke their contract and were set aside."
    group = typer.Typer(name="quarantine", help=help_, no_args_is_help=True)
    group.command("list")(quarantine_list)
    group.command("show")(quarantine_show)
    group.command("correct")(quarantine_correct)
    group.command("replay")(quarantine_replay)
    group.command("discard")(quarantine_discard)
    app.add_typer(group)


def quarantine_list(
    port: Annotated[
        str | None, typer.Option(help="On their way to this port only.", autocompletion=complete.ports)
    ] = None,
    product: ProductOption = None,
    run: Annotated[str | None, typer.Option(help="Of this run only.", autocompletion=complete.runs)] = None,
    state: Annotated[str, typer.Option(help="waiting, replayed, discarded or all.")] = "waiting",
    search: Annotated[str | None, typer.Option("--text", help="With these words in the reasons.")] = None,
    since: Annotated[str | None, typer.Option(help="Set aside at this time (RFC 3339) or later.")] = None,
    limit: Limit = 50,
    after: After = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """List the records that wait, the newest first, and why each was set aside."""
    with open_session(to, as_json) as session:
        page = session.client.quarantine.find(
            port=session.port(port) if port else None, product=session.product(product) if product else None,
            run=run, state=state, text=search, since=since, limit=limit, after=after,
        )  # fmt: skip
        session.screen.table(page["items"], _COLUMNS, empty="Nothing was set aside.")
        if page["next"]:
            session.screen.note(f"There are more: --after {page['next']}")


def quarantine_show(entry: Entry, to: To = None, as_json: AsJson = False) -> None:
    """Show one in full: the reasons, and the record as it stands now."""
    with open_session(to, as_json) as session:
        found = session.client.quarantine.get(entry)
        session.screen.answer(found, entry_lines(found))


def entry_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of it."""
    yield from facts(found, _FACTS)
    for reason in found["reasons"]:
        shown = f" ({reason['value']})" if reason.get("value") else ""
        rule = f" [{reason['rule']}]" if reason.get("rule") else ""
        yield f"  {reason['path'] or 'record'}: {reason['message']}{shown}{rule}"
    yield "record:"
    yield from msgspec.json.format(msgspec.json.encode(found["record"])).decode().splitlines()


def quarantine_correct(
    entry: Entry,
    record: Annotated[str, typer.Argument(help="The mended record: JSON, @FILE, or - for standard input.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Put a mended record in its place; 'hansa quarantine replay' publishes it."""
    value = read_payload(record)
    with open_session(to, as_json) as session:
        found = session.client.quarantine.correct(entry, value)
        session.screen.answer(found, [f"{entry} is corrected; 'hansa quarantine replay {entry}' publishes it"])


def quarantine_replay(entry: Entry, to: To = None, as_json: AsJson = False) -> None:
    """Check the record again and publish it, once."""
    with open_session(to, as_json) as session:
        done = session.client.quarantine.replay(entry)
        told = f"{entry} is published by the run {done.run}" if done.finished else f"the run {done.run} is at it"
        session.screen.answer({"run": done.run, "finished": done.finished}, [told])


def quarantine_discard(
    entry: Entry,
    reason: Annotated[str, typer.Option("--reason", help="Why; the audit keeps it.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Settle that the record will not be published."""
    with open_session(to, as_json) as session:
        found = session.client.quarantine.discard(entry, reason)
        session.screen.answer(found, [f"{entry} is discarded"])
