"""Finds the socket to the server in its own process and writes frames of its own making on it."""

import os
import sys
import time
from typing import Any

import msgspec

from hansa import DataProduct, http, reply
from hansa.model.run import RunError
from hansa.runtime import wire
from hansa.runtime.worker import Channel

product = DataProduct(__file__)


def packed(message: Any) -> bytes:
    frame = wire.encode(message)
    return len(frame).to_bytes(4, "little") + frame


def entry(key: str, body: Any) -> bytes:
    return msgspec.msgpack.encode((key, body))


def done(seq: int, **fields: Any) -> wire.Done:
    return wire.Done(seq, "succeeded", 200, b'"forged"', "application/json", 1, [], **fields)


BELOW = entry("a", {"name": "a", "value": -1})
FACT = entry("a", {"name": "a", "value": 1})
EVENT = {
    "id": "1", "name": "forged", "source": "x", "product": "lab.bench", "process": "sums", "revision": "r", "run": "r",
    "principal": "admin", "time_us": 1, "logic": "add", "target": None, "payload": None, "seq": 0,
}  # fmt: skip
FORGED = {
    "other_port": lambda seq: done(seq, effects=[wire.Effect("lab.bench/squares@1", 0, 1, FACT)]),
    "unknown_port": lambda seq: done(seq, effects=[wire.Effect("lab.forger/nothing@1", 0, 1, FACT)]),
    "runs": lambda seq: done(seq, effects=[wire.Effect("_runs", 0, 1, FACT)]),
    "audit": lambda seq: done(seq, effects=[wire.Effect("_audit", 0, 1, FACT)]),
    "partition": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 7, 1, FACT)]),
    "count": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, 1000, FACT)]),
    "negative": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, -1, FACT)]),
    "schema": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, 1, entry("a", {"name": "a"}))]),
    "bounds": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, 1, BELOW)]),
    "aside": lambda seq: done(seq, effects=[wire.Effect("_quarantine:lab.forger/facts@1", 0, 1, FACT)]),
    "taken": lambda seq: done(seq, taken=[wire.Unique("lab.bench/squares@1", "unique", "a" * 32, "")]),
    "garbage": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, 1, b"\xc1")]),
    "subject": lambda seq: done(seq, effects=[wire.Effect("lab.forger/facts@1", 0, 1, FACT, "a person")]),
    "event": lambda seq: done(seq, effects=[wire.Effect("_events", 0, 1, entry("x", EVENT))]),
    "lookup": lambda seq: done(seq, lookups=[("lab.bench/numbers@1", 3)]),
    "state_key": lambda seq: done(seq, puts=[wire.StatePut("k" * 5000, b"\x01", None)]),
    "refused": lambda seq: done(seq, refused=[(0, FACT, RunError("a", "b"))]),
    "output": lambda seq: done(seq, output="x" * 1_000_000),
    "status": lambda seq: wire.Done(seq, "succeeded", 7, b"", "", 1, []),
    "state": lambda seq: wire.Done(seq, "accepted", 200, b"", "", 1, []),
    "duration": lambda seq: wire.Done(seq, "succeeded", 200, b"", "", 1 << 62, []),
    "step": lambda seq: wire.StepDone(seq, 9, b"\x01"),
    "ask": lambda seq: wire.Ask(seq, 1, "registry", []),
}
FLOODS = {
    "asks": lambda seq: b"".join(packed(wire.Ask(seq, n, "state", ["get", "k"])) for n in range(5000)),
    "chunks": lambda seq: b"".join(packed(done(seq, chunk=n)) for n in range(1, 5000)),
}
RAW = {
    "no_message": b"\x03\x00\x00\x00\xc1\xc1\xc1",
    "no_length": b"\xff\xff\xff\x7f" + b"x" * 100,
    "no_place": b"\x00\x00\x00\x00" + b"\xff" * 24,
}


def channel() -> Channel:
    frame = sys._getframe()
    while not isinstance(found := frame.f_locals.get("channel"), Channel):
        assert frame.f_back is not None
        frame = frame.f_back
    return found


@product.logic
def forge(body: dict[str, Any]) -> str:
    """Writes one frame where the server listens, and waits for what comes of it."""
    there = channel()
    seq = wire.marked(there.cells)[0]
    kind = body["kind"]
    if kind in FLOODS:
        there._sock.sendall(FLOODS[kind](seq))
    else:
        os.write(there._sock.fileno(), RAW[kind] if kind in RAW else wire.pack(FORGED[kind](seq), there._out))
    time.sleep(5)
    return "alive"


@product.logic
def hide(body: dict[str, Any]) -> str:
    """Takes for ever, and says in the shared cells that it has just begun."""
    while True:
        wire.mark(channel().cells, 0, time.monotonic_ns())
        time.sleep(0.01)


product.process("forge", forge, reply, on=http.post("/forge"))
product.process("hide", hide, reply, on=http.post("/hide"), timeout_s=0.5)
