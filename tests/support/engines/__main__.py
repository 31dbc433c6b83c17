"""`make engines`: starts all engines on loopback and says where they answer, until it is interrupted."""

from __future__ import annotations

import contextlib
import signal
import sys

from engines.install import Missing
from engines.session import ENGINES, Engines, variable


def main() -> int:
    """Runs until SIGINT or SIGTERM; 1 where an engine cannot run here."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(Engines()) as engines:
        engines.begin(ENGINES)
        for name in ENGINES:
            try:
                print(f"export {variable(name)}={engines.address(name)}", flush=True)
            except Missing as missing:
                print(f"{name} cannot run here: {missing}", file=sys.stderr)
        if engines.left_out():
            return 1
        print("Ctrl-C ends them and removes their data.", file=sys.stderr)
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
