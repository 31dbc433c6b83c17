"""The clock of a process that is started with `tests/acceptance/clock_faults.c` before it, set while it runs."""

from __future__ import annotations

import struct
from pathlib import Path


class Clock:
    """Shows what the machine's clock shows, until it is set."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        self.environment = {"LD_PRELOAD": str(library), "HANSA_CLOCK": str(file)}
        """What the process is started with."""
        file.write_bytes(struct.pack("q", 0))

    def ahead(self, ahead_s: int) -> None:
        """Shows from now on what the machine's clock will show in so many seconds."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", ahead_s))
