"""Logic that does what it must not, in ways that are hard to stop."""

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def misbehave(body: dict[str, Any], *, how: str) -> Any:
    match how:
        case "hang in C":
            ctypes.PyDLL(None).sleep(60)
        case "ignore signals":
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_IGN)
            time.sleep(60)
        case "catch everything":
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    continue
        case "print without end":
            while True:
                print("x" * 1000)
        case "write without end":
            while True:
                os.write(1, b"x" * 1000)
        case "fill memory":
            kept = []
            while True:
                kept.append(bytearray(1 << 20))
        case "fill the disk":
            with Path(os.environ["TMPDIR"], "big").open("wb") as out:
                while True:
                    out.write(bytes(1 << 20))
        case "read":
            return Path(body["path"]).read_text()
        case "list":
            return os.listdir(body["path"])
        case "answer nonsense":
            return object()
        case "kill the parent":
            os.kill(os.getppid(), signal.SIGKILL)
        case "kill":
            os.kill(body["pid"], signal.SIGKILL)
    return {"ok": how}


product.process("misbehave", misbehave, reply, on=http.post("/misbehave"), timeout_s=1.0)


@product.logic
def measure(body: bytes) -> dict[str, int]:
    return {"bytes": len(body)}


product.process("measure", measure, reply, on=http.post("/measure", body_max_bytes=1000))
