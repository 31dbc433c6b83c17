"""Runs a command and starts it again when a Python file below a folder changes: `reload.py FOLDER -- COMMAND …`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

LOOK_S = 0.3
STOP_S = 15.0


def stamps(folder: Path) -> dict[Path, float]:
    """When each file was changed last."""
    return {path: path.stat().st_mtime for path in folder.rglob("*.py")}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the command as Ctrl-C would, and the hard way where that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    folder, command = Path(sys.argv[1]), sys.argv[3:]
    process = subprocess.Popen(command)
    before = stamps(folder)
    try:
        while True:
            time.sleep(LOOK_S)
            now = stamps(folder)
            if now != before:
                before = now
                if process.poll() is None:
                    stop(process)
                process = subprocess.Popen(command)
    except KeyboardInterrupt:
        if process.poll() is None:
            process.wait(STOP_S)


if __name__ == "__main__":
    main()
