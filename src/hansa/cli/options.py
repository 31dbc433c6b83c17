"""The options and arguments that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hansa.cli import complete

MARKS: Final = {"added": "+", "changed": "~", "removed": "-", "metadata": "·", "breaking": "!"}
"""What stands before a change of each kind."""
To = Annotated[
    str | None,
    typer.Option("--to", metavar="ENVIRONMENT", help="The Hansa to talk to.", autocompletion=complete.environments),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
After = Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="Go on behind the page before.")]
Folder = Annotated[
    Path | None,
    typer.Argument(help="The product's folder; the one around the current folder unless given.", show_default=False),
]
AcceptBreaking = Annotated[
    str,
    typer.Option(
        "--accept-breaking",
        metavar="REASON",
        help="Force what breaks consumers, as an owner of the domain; the audit keeps the reason.",
        show_default=False,
    ),
]
ProductOption = Annotated[
    str | None, typer.Option("--product", help="Of this product only.", autocompletion=complete.products)
]
ProductArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PRODUCT]",
        help="The product's id; inside its folder it can be left out.",
        autocompletion=complete.products,
        show_default=False,
    ),
]
Process = Annotated[
    str,
    typer.Argument(help="The process's id; inside its product's folder its name.", autocompletion=complete.processes),
]
Port = Annotated[
    str, typer.Argument(help="The port's id; inside its product's folder its name.", autocompletion=complete.ports)
]
Person = Annotated[str, typer.Argument(help="The person's id.", autocompletion=complete.people)]
Run = Annotated[str, typer.Argument(help="The run's id.", autocompletion=complete.runs)]
Domain = Annotated[str, typer.Argument(help="The domain's name.", autocompletion=complete.domains)]
