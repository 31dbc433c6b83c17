"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from hansa.cli.app import build


def markdown() -> str:
    """`docs/reference/cli.md`: every command with its arguments and options, in the order of `hansa --help`."""
    root = typer.main.get_command(build())
    lines = ["# Command line", "", "Generated from the commands; `hansa COMMAND --help` says the same.", ""]
    for name, command in _commands(root, "hansa"):
        lines += _section(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each command by its whole name; a group stands before its verbs."""
    children = getattr(command, "commands", {})
    if name != "hansa":
        yield name, command
    for child, inner in children.items():
        yield from _commands(inner, f"{name} {child}")


def _section(name: str, command: Any) -> list[str]:
    lines = [f"## {name}", "", " ".join((command.help or "").split()), ""]
    if not hasattr(command, "commands"):
        usage = " ".join(part.strip() for part in command.collect_usage_pieces(typer.Context(command, info_name=name)))
        lines += ["```", f"{name} {usage}", "```", ""]
    parameters = [row for row in map(_row, command.params) if row]
    if parameters:
        lines += ["| parameter | meaning |", "|---|---|", *parameters, ""]
    return lines


def _row(parameter: Any) -> str:
    if parameter.name == "help":
        return ""
    told = " ".join((parameter.help or "").split()).replace("|", "\\|")
    if parameter.param_type_name == "argument":
        return f"| `{parameter.name.upper()}` | {told} |"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = "" if default in (None, False, "", [], ()) or callable(default) else f" Default: `{default}`."
    return f"| {names} | {told}{shown} |"
