"""Tasks that translate: the server gives a worker records of one version of a port, and gets those of another.

The name of such a task's process is the port that is made; no process of an author can be called like that.
"""

from __future__ import annotations

import time

import msgspec

from hansa.model.run import RunError
from hansa.runtime import wire
from hansa.runtime.translation import Translations

_encode = msgspec.msgpack.Encoder().encode


def is_port(process: str) -> bool:
    """True where a task's process is a port, into whose version records are to be translated."""
    return "/" in process


def translate(translations: Translations, task: wire.Task) -> wire.Done:
    """The records of the task in the other version, each at its place, all in the partition that they come from; those
    that have no form there are among the refused."""
    began = time.perf_counter_ns()
    (records,) = task.records
    done = wire.Done(task.seq, "succeeded", 200, b"", "application/json", 0, [])
    try:
        translation = translations.between(records.topic, task.process)
        pairs = translation.read(records)
    except msgspec.MsgspecError as failure:
        error = RunError("translator.unreadable", f"They are no records of {records.topic}: {type(failure).__name__}")
        return msgspec.structs.replace(done, state="failed", error=error)
    made = translation.of(pairs)
    return msgspec.structs.replace(
        done,
        duration_us=(time.perf_counter_ns() - began) // 1000,
        effects=translation.effects(made.pairs, records.partition),
        refused=[(index, _encode(pairs[index]), error) for index, error in made.withheld.items()],
    )
