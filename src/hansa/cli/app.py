"""The command line, put together and run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Final

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]
from typer.exceptions import Abort, TyperException

from hansa.cli.commands import (
    authoring,
    catalogue,
    contracting,
    data,
    deployment,
    governing,
    keeping,
    machine,
    quarantine,
    running,
)
from hansa.cli.failure import FAILURE, INTERRUPTED, USAGE, error_lines, exit_code, usage_lines
from hansa.errors import HansaError

_GROUPS: Final = (authoring, contracting, deployment, running, quarantine, data, catalogue, governing, keeping, machine)


def _say_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        print(f"hansa {version('hansa')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_say_version),
]


def build() -> typer.Typer:
    """All verbs of `hansa`. Typer knows the shells to complete for from now on: it learns them only with options of its
    own, for which `hansa completion` stands."""
    completion_init()
    app = typer.Typer(
        name="hansa",
        help="An operating centre for a data mesh.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"max_content_width": 110},
    )
    app.callback()(_hansa)
    for group in _GROUPS:
        group.register(app)
    return app


def _hansa(version: Version = False) -> None:
    """An operating centre for a data mesh."""


def run(arguments: list[str]) -> int:
    """Runs one command; the exit code: 0, 1 failure, 2 usage, 3 unavailable, 130 interrupted.

    What is wrong goes to standard error, one line what and one line how; with `--json`, as one JSON object.
    """
    try:
        done = build()(arguments or ["--help"], standalone_mode=False, prog_name="hansa")
    except HansaError as error:
        _tell(error, as_json="--json" in arguments)
        return exit_code(error)
    except TyperException as error:
        if error.exit_code == USAGE and error.format_message():
            _misused(error)
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _closed()
    return done if isinstance(done, int) else 0


def _misused(error: TyperException) -> None:
    """Two lines on a command that was written wrongly; the help of a group that was given no verb."""
    told, context = error.format_message(), getattr(error, "ctx", None)
    if told.startswith("Usage: "):
        _print_error([told])
    else:
        _print_error(usage_lines(told, context.command_path if context else "hansa"))


def _tell(error: HansaError, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        print(msgspec.json.encode({"error": error.as_dict()}, enc_hook=str).decode(), file=sys.stderr)
    else:
        _print_error(error_lines(error))


def _print_error(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _closed() -> int:
    """Whoever read the output went away: what is left to write is dropped without a word."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILURE
