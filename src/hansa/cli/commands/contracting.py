"""Verbs on contracts: a first one from what is there, the schemas that follow from one, its page, and its changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from hansa.cli.options import MARKS, AsJson, To
from hansa.cli.session import open_session, product_folder, screen
from hansa.contracts.schemas import Format
from hansa.errors import CallerError

if TYPE_CHECKING:
    from hansa.contracts.odcs import ContractFile

PageForm = Literal["html", "markdown"]


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    group = typer.Typer(name="contract", help="Contracts, and the schemas that follow from them.", no_args_is_help=True)
    group.command("new")(contract_new)
    group.command("schema")(contract_schema)
    group.command("check")(contract_check)
    group.command("page")(contract_page)
    group.command("changes")(contract_changes)
    app.add_typer(group)


def contract_new(
    port: Annotated[str, typer.Argument(help="The port that it is for, such as departures or departures@2.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="A sample (CSV, JSON, NDJSON, Parquet), a schema (Avro, JSON Schema, OpenAPI, Protobuf), a dbt "
            "manifest, a Python type as module:Type, or - for a stream of JSON lines.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Which schema, message or model, where there are several.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The product's folder; the one around the current folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the first contract of a port from a type, a sample or a schema. What it leaves open is said."""
    from dataclasses import replace

    from hansa.contracts.scaffold.draft import document_of, yaml_text
    from hansa.contracts.scaffold.source import read_source
    from hansa.model.ids import PortId

    own = product_folder(folder)
    made = PortId.parse(f"{own.id}/{port if '@' in port else f'{port}@1'}")
    target = own.path / "contracts" / f"{made.name}@{made.major}.odcs.yaml"
    if target.exists():
        raise CallerError("contract.exists", f"{target} exists already", hint="Change it, or name another port.")
    draft = replace(read_source(source, name, sys.stdin.buffer), name=made.name)
    document = document_of(draft, f"{own.id}.{made.name}", major=made.major)
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml_text(document), "utf-8")
    lines = [f"{target} has {len(draft.fields)} fields", *(f"open: {note}" for note in draft.notes)]
    screen(as_json).answer({"file": str(target), "fields": len(draft.fields), "open": list(draft.notes)}, lines)


def contract_schema(
    contract: Annotated[Path, typer.Argument(help="The contract's file.")],
    form: Annotated[Format, typer.Option("--as", help="The format.")],
    previous: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The .proto file published last; its numbers are kept."),
    ] = None,
) -> None:
    """Print the schema of a contract in another format."""
    from hansa.contracts.odcs import read_contract
    from hansa.contracts.schemas.written import schema_text

    before = None if previous is None else previous.read_text("utf-8")
    print(schema_text(read_contract(contract), form, previous=before), end="")


def contract_check(
    contract: Annotated[Path, typer.Argument(help="The contract's file.")],
    data: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet, CSV, JSON or NDJSON.")],
    as_json: AsJson = False,
) -> None:
    """Check a file against the quality rules of a contract; fails where one is broken."""
    from hansa.cli.commands.running import check_lines
    from hansa.contracts.odcs import read_contract
    from hansa.contracts.quality.tables import check_file

    checks = [msgspec.structs.asdict(result) for result in check_file(read_contract(contract), data)]
    screen(as_json).answer({"checks": checks}, check_lines(checks))
    if any(check["state"] in ("failed", "error") for check in checks):
        raise typer.Exit(1)


def contract_page(
    contract: Annotated[str, typer.Argument(help="A contract's file, or a port that is served.")],
    form: Annotated[PageForm, typer.Option("--as", help="The format.")] = "html",
    to: To = None,
) -> None:
    """Print the page of a contract for people: one HTML file that loads nothing, or Markdown."""
    if not Path(contract).is_file():
        with open_session(to) as session:
            print(session.client.ports.contract(session.port(contract), form), end="")
        return
    from hansa.contracts.odcs import read_contract_file
    from hansa.contracts.page.content import page_of
    from hansa.contracts.page.html import page_html
    from hansa.contracts.page.markdown import markdown

    page = page_of(read_contract_file(Path(contract)))
    print(page_html(page) if form == "html" else markdown(page), end="")


def contract_changes(
    older: Annotated[str, typer.Argument(help="A contract's file, a port that is served, or PORT:VERSION.")],
    newer: Annotated[str, typer.Argument(help="The same, of what it became.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed between two contracts: what breaks whom, what came and went, what is only metadata."""
    from hansa.contracts.changelog import change_log

    log = change_log(_contract(older, to), _contract(newer, to))
    lines = [f"{MARKS[entry.kind]} {entry.text}" for entry in log.entries] or ["Nothing changed."]
    screen(as_json).answer(msgspec.to_builtins(log), [f"{log.older} → {log.newer}, {log.mode.value}", *lines])


def _contract(text: str, to: str | None) -> ContractFile:
    """The contract in a file, or of a port in a version (the live one unless named) as its author wrote it."""
    from hansa.contracts.document import parse_document
    from hansa.contracts.odcs import contract_of, read_contract_file

    if Path(text).is_file():
        return read_contract_file(Path(text), text)
    name, _, version = text.partition(":")
    with open_session(to) as session:
        port = session.port(name)
        version = version or session.client.ports.get(port)["contract"]["version"]
        return contract_of(parse_document(session.client.ports.contract(port, version=version), text))
