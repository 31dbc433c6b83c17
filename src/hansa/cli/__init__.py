"""The command `hansa`. Every verb is one call of the HTTP API, but for those that work on a folder of one's own."""

from __future__ import annotations


def main() -> None:
    """The entry point: runs the command line and ends the process with 0, or 1 failure, 2 usage, 3 unavailable."""
    import sys

    from hansa.cli.app import run

    raise SystemExit(run(sys.argv[1:]))
