"""Verbs that look: products, show, domains, schedules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from hansa.cli import complete
from hansa.cli.commands.running import show_run
from hansa.cli.options import AsJson, To
from hansa.cli.screen import Column, facts, moment, text
from hansa.cli.session import Session, open_session
from hansa.contracts.write import json_text
from hansa.errors import CallerError
from hansa.model.ids import NAME, did_you_mean


class Standard(StrEnum):
    """Standards that what is live can be shown in."""

    ODPS = "odps"
    ODCS = "odcs"
    OPENAPI = "openapi"
    ASYNCAPI = "asyncapi"


_RUN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_PRODUCTS: Final = (
    Column("product", "id"),
    Column("state", "state"),
    Column("owner", "owner"),
    Column("version", "version"),
    Column("revision", "revision"),
    Column("deployed", "deployed_at", moment),
    Column("description", "description"),
)
_PRODUCT_FACTS: Final = [
    "id",
    "name",
    "description",
    "state",
    "successor",
    "owner",
    "version",
    "revision",
    "deployed_at",
    "deployed_by",
    "tags",
    "ports",
    "processes",
    "use_cases",
    "reads",
    "read_by",
    "workers",
    "waiting",
    "failure",
]
_TRIGGER_FACTS: Final = frozenset(
    (
        "method",
        "path",
        "mode",
        "port",
        "name",
        "source",
        "target",
        "where",
        "batch",
        "cron",
        "every_s",
        "timezone",
        "at",
    )
)
_UNSAID: Final[tuple[Any, ...]] = (None, "sync", {}, "")


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(products)
    app.command()(show)


def products(
    search: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Words to look for.", show_default=False)
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Of this domain.", autocompletion=complete.domains)] = None,
    owner: Annotated[str | None, typer.Option(help="Of this owner.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    state: Annotated[str | None, typer.Option(help="draft, active, deprecated or retired.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Find data products."""
    with open_session(to, as_json) as session:
        found = session.client.products.find(search, domain=domain, owner=owner, tag=tag, state=state)
        empty = (
            found.get("hint")
            or "No products. 'hansa new operations.flights' writes one, 'hansa deploy' brings it here."
        )
        session.screen.table(found["items"], _PRODUCTS, empty=empty)


def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="A product, port, process or run; the folder's product unless given.",
            autocompletion=complete.products, show_default=False,
        ),
    ] = None,
    form: Annotated[
        Standard | None,
        typer.Option(
            "--format",
            help="As a document of a standard: odps of a product, odcs of a port; openapi and asyncapi of a product, "
            "or of the whole mesh outside of a product's folder.",
        ),
    ] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one product, port, process or run."""
    with open_session(to, as_json) as session:
        if form is not None:
            typer.echo(_document(session, what, form, "json" if as_json else "yaml"), nl=False)
        elif what and _RUN.fullmatch(what):
            show_run(session, what)
        elif what and (process := _process_named(session, what)):
            session.screen.answer(process, process_lines(process))
        elif what and ("/" in what or (session.folder and what in session.folder.ports)):
            found = session.client.ports.get(session.port(what))
            session.screen.answer(found, port_lines(found))
        else:
            found = session.client.products.get(session.product(what))
            session.screen.answer(found, facts(found, _PRODUCT_FACTS))


def _document(session: Session, what: str | None, standard: Standard, form: str) -> str:
    """The document of what is live: a product's in ODPS, a port's contract in ODCS, routes and streams of a product or
    of the mesh in OpenAPI and AsyncAPI."""
    if standard in (Standard.OPENAPI, Standard.ASYNCAPI):
        return _interface(session, what, standard)
    if standard is Standard.ODPS:
        return session.client.products.document(session.product(what), form)
    if what is None:
        raise CallerError("port.unnamed", "Which port?", hint="Name it: 'hansa show departures --format odcs'.")
    return session.client.ports.contract(session.port(what), form)


def _interface(session: Session, what: str | None, standard: Standard) -> str:
    """The JSON of a product's OpenAPI or AsyncAPI; of the whole mesh where no product is meant."""
    is_mesh = what is None and session.folder is None
    source: Any = session.client if is_mesh else session.client.products
    ask = source.openapi if standard is Standard.OPENAPI else source.asyncapi
    return json_text(ask() if is_mesh else ask(session.product(what)))


def port_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a port: its facts, the fields of its contract, where it begins and ends, who reads it."""
    contract = found["contract"]
    yield from facts(found, ("id", "kind", "version", "description", "partitions"))
    yield from facts(contract, ("key",))
    yield "fields:"
    for field in contract["fields"]:
        need = "" if field.get("required") else "?"
        yield f"  {field['name']}{need}  {field['type']}  {field.get('description', '')}".rstrip()
    for partition, bounds in found["bounds"].items():
        yield f"partition {partition}: {bounds['first']} to {bounds['end']}"
    for reader in found["subscriptions"]:
        yield f"read by {reader['process']}, {reader['lag_records']} records behind"


def process_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a process: its facts, its logic in order, and a line for each trigger."""
    yield from facts(found, ("id", "product", "description", "use_case", "running"))
    yield f"steps: {' > '.join(found['steps'])}"
    for trigger in found["triggers"]:
        told = {name: value for name, value in trigger.items() if name in _TRIGGER_FACTS and value not in _UNSAID}
        yield f"  {trigger['kind']}  " + "  ".join(f"{name}={text(value)}" for name, value in told.items())


def _process_named(session: Session, name: str) -> dict[str, Any] | None:
    """The process that `name` means: an id with a colon, or in a product's folder the name of one of its own. Raises
    `CallerError("process.unknown")` where it can mean nothing else."""
    is_id = ":" in name
    if not is_id and (session.folder is None or not NAME.fullmatch(name) or name in session.folder.ports):
        return None
    process = session.process(name)
    known = {item["id"]: item for item in session.client.processes.all()}
    if is_id and process not in known:
        hint = did_you_mean(process, known) or "'hansa show PRODUCT' lists a product's processes."
        raise CallerError("process.unknown", f"There is no process {process!r}", hint=hint)
    return known.get(process)
