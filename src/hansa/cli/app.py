"""The command line, put together and run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

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
    for group in _GROUPS:
        group.register(app)
    return app


def run(arguments: list[str]) -> int:
    """Runs one command; the exit code: 0, 1 failure, 2 usage, 3 unavailable, 130 interrupted.

    What is wrong goes to standard error, one line what and one line how; with `--json`, as one JSON object.
    """
    try:
        done = build()(arguments, standalone_mode=False, prog_name="hansa")
    except HansaError as error:
        _tell(error, as_json="--json" in arguments)
        return exit_code(error)
    except TyperException as error:
        if error.exit_code == USAGE and error.format_message():
            context = getattr(error, "ctx", None)
            _print_error(usage_lines(error.format_message(), context.command_path if context else "hansa"))
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _closed()
    return done if isinstance(done, int) else 0


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
