"""Verbs on contracts: a first one from what is there, and the schemas that follow from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hansa.cli.options import AsJson
from hansa.cli.session import product_folder, screen
from hansa.contracts.schemas import Format
from hansa.errors import CallerError


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    group = typer.Typer(name="contract", help="Contracts, and the schemas that follow from them.", no_args_is_help=True)
    group.command("new")(contract_new)
    group.command("schema")(contract_schema)
    group.command("check")(contract_check)
    app.add_typer(group)


def contract_new(
    port: Annotated[str, typer.Argument(help="The port that it is for, such as departures or departures@2.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="A sample (CSV, JSON, NDJSON, Parquet), a schema (Avro, JSON Schema, OpenAPI, Protobuf), a dbt "
            "manifest, or a Python type as module:Type.",
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
    draft = replace(read_source(source, name), name=made.name)
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
    if any(check["state"] == "failed" for check in checks):
        raise typer.Exit(1)
