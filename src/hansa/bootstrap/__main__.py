"""`python -m hansa.bootstrap FOLDER PORT`: a Hansa on loopback without the words of `hansa up`; programs start it
so."""

from __future__ import annotations

import sys
from pathlib import Path

from hansa.bootstrap.serve import serve
from hansa.server.services import Services


async def _ready(_: Services, url: str, token: str) -> None:
    del token
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), "127.0.0.1", int(sys.argv[2]), ready=_ready)
