"""Verbs on what flows: read, events, emit, lineage."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
import typer

from hansa.cli.commands.running import read_payload
from hansa.cli.options import After, AsJson, Limit, Port, To
from hansa.cli.screen import Column, moment
from hansa.cli.session import Session, open_session

_EVENTS: Final = (
    Column("time", lambda row: row.get("time") or row.get("time_us"), moment),
    Column("name", "name"),
    Column("source", "source"),
    Column("target", "target"),
    Column("payload", "payload"),
)
_EDGES: Final = (
    Column("from", "source"),
    Column("to", "target"),
    Column("kind", "kind"),
    Column("name", "name"),
    Column("uses", "count"),
    Column("records", "records"),
    Column("last", "last_us", moment),
)

_READERS: Final = (
    Column("reader", "who"),
    Column("kind", "kind"),
    Column("token", "token"),
    Column("last", "last", moment),
    Column("reads", "count"),
    Column("fields", "fields"),
)


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(read)
    app.command()(readers)
    app.command()(window)
    app.command()(events)
    app.command()(emit)
    app.command()(lineage)


def read(
    port: Port,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many; without end with --follow.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with records as they come.")] = False,
    where: Annotated[str | None, typer.Option(help="Such as: origin=JFK and delay_min>10")] = None,
    select: Annotated[
        str | None, typer.Option(help="The fields wanted, comma between them; a change of others cannot break you.")
    ] = None,
    position: Annotated[str | None, typer.Option(help="Begin there; earliest or latest, too.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin at this time (RFC 3339).")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Read the records of a port, the oldest first: one JSON object a line, with --json in its envelope."""
    with open_session(to, as_json) as session:
        query = {"where": where, "select": select, "position": position, "time": since}
        ports, whole = session.client.ports, session.port(port)
        found = ports.follow(whole, **query) if follow else ports.read(whole, limit=limit or 20, **query)
        for count, item in enumerate(found, 1):
            session.screen.item(item, record_line(item["record"]))
            if count == limit:
                return


def record_line(record: Any) -> str:
    """What people read of a record. None stands in the place of one whose person was forgotten."""
    return "(forgotten)" if record is None else msgspec.json.encode(record).decode()


def readers(port: Port, to: To = None, as_json: AsJson = False) -> None:
    """Show who reads a port: processes and accounts, when last, how often and which fields."""
    with open_session(to, as_json) as session:
        found = session.client.ports.readers(session.port(port))
        session.screen.table(found, _READERS, empty="Nobody has read it yet.")


def window(
    port: Port,
    position: Annotated[str | None, typer.Option(help="A position in the older version.")] = None,
    last_event: Annotated[str | None, typer.Option(help="The last event that was read of its feed.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Show how the window of an older version stands: its dates, who reads it, where to go on in the newer one."""
    with open_session(to, as_json) as session:
        found = session.client.ports.window(session.port(port), position=position, last_event_id=last_event)
        session.screen.answer(found, window_lines(found))


def window_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a window."""
    yield f"{found['older']} → {found['newer']}: {found['phase'].replace('_', ' ')}"
    dates = ("general_availability", "deprecated_at", "end_of_support", "end_of_life")
    yield from (f"  {name.replace('_', ' ')}: {found[name]}" for name in dates if found[name])
    if retired := found["retired"]:
        yield f"  retired by {retired['by']}" + (f", approved: {retired['approval']}" if retired["approval"] else "")
    yield f"  read by {', '.join(found['readers']) or 'nobody'}"
    if place := found.get("position") or found.get("lastEventId"):
        yield f"  go on in {found['newer']} at {place}"


def events(
    query: Annotated[
        str, typer.Argument(help="Such as: name=OrderPlaced and payload.amount>100", show_default=False)
    ] = "",
    limit: Limit = 20,
    after: After = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Events from now on, as they come.")] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Find events by what they say."""
    with open_session(to, as_json) as session:
        if follow:
            for event in session.client.events.follow(query):
                session.screen.item(event, "\t".join(column.of(event) for column in _EVENTS))
            return
        page = session.client.events.find(query, limit=limit, after=after)
        session.screen.table(page["items"], _EVENTS, empty="No events. 'hansa emit NAME' makes one.")
        if page["behind"]:
            session.screen.note(f"The newest may be missing: {page['behind']}")
        if page["next"]:
            session.screen.note(f"There are more: --after {page['next']}")


def emit(
    name: Annotated[str, typer.Argument(help="What happened, such as order.shipped.")],
    payload: Annotated[
        str | None, typer.Argument(help="JSON, @FILE, or - for standard input.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where it happened; the product of the current folder, else hansa-cli.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="What it happened to.")] = None,
    key: Annotated[str | None, typer.Option(help="Events of one key stay in order.")] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="The same id from the same source is taken once.")
    ] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Emit an event."""
    value = read_payload(payload)
    with open_session(to, as_json) as session:
        done = session.client.events.emit(
            name, source=source or _source(session), target=target, payload=value, key=key,
            event_id=event_id or str(uuid.uuid4()),
        )  # fmt: skip
        session.screen.answer(done, done["ids"])


def lineage(
    node: Annotated[
        str | None, typer.Argument(help="A product, port, process or event; the folder's product unless given.")
    ] = None,
    direction: Annotated[str, typer.Option(help="up: what it comes from; down: what it leads to; both.")] = "both",
    depth: Annotated[int, typer.Option(min=1, help="How many steps away.")] = 3,
    at: Annotated[str | None, typer.Option(help="As it was known at this time (RFC 3339).")] = None,
    event: Annotated[str | None, typer.Option(help="Along events of this name only.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Show what a node comes from and what it leads to."""
    with open_session(to, as_json) as session:
        found = session.client.lineage(
            node or session.product(None), direction=direction, depth=depth, at=at, event=event
        )
        if found["behind"]:
            session.screen.note(f"The newest may be missing: {found['behind']}")
        _show_graph(session, found, as_json=as_json)


def _show_graph(session: Session, found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        session.screen.answer(found, ())
        return
    session.screen.table(found["edges"], _EDGES, empty="Nothing leads there or away from it.")


def _source(session: Session) -> str:
    return session.folder.id if session.folder else "hansa-cli"
