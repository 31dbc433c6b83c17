"""`python -m hansa.bootstrap FOLDER PORT [HOST]`: a Hansa, on loopback where no host is given, without the words of
`hansa up`; programs start it so."""

from __future__ import annotations

import sys
from pathlib import Path

from hansa.bootstrap.serve import serve
from hansa.server.services import Services


async def _ready(_: Services, url: str, token: str | None) -> None:
    del token
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    folder, port, *host = sys.argv[1:]
    serve(Path(folder), host[0] if host else "127.0.0.1", int(port), ready=_ready)
