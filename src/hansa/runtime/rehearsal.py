"""What a first deployment and a first call would touch, touched before: in a zygote, and in a worker that waits.

A fork shares its memory with its zygote until one of them writes, and Python writes wherever it looks: reference
counts, caches of types and of attributes. So the first of everything is slow in a fresh process (a first small piece of
work with pandas took 18 ms in one, 2 ms behind a rehearsal). Nothing is left of a rehearsal but its traces in memory.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.model.product import ProductSpec
from hansa.runtime import wire
from hansa.runtime.attempt import Serving
from hansa.runtime.context import CappedOutput
from hansa.runtime.doors import connection_for
from hansa.runtime.stops import Place
from hansa.sdk.load import load_product
from hansa.sdk.plan import compile_product

_FOLDER: Final = Path(__file__).parent / "rehearsal_product"
_PACKAGE: Final = "hansa_rehearsal"
_SPEC: Final = ProductSpec("rehearsal.small", "Small")
_BODY: Final = b'{"name": "a", "amounts": [1.5, 2]}'
_RUN: Final = "01900000-0000-7000-8000-000000000000"


def rehearse_all() -> None:
    """For a zygote: what it touches is touched for all its workers and costs none of them memory."""
    rehearse()
    _do(_WIDELY)
    gc.freeze()


def rehearse() -> bytes:
    """Loads and compiles a small product, works one task of it, and does a little with each library that is imported
    and known here. Returns the task's result. For a worker that waits: a page that is touched here is the worker's
    own from now on, which its first call would have made it too."""
    encoded = msgspec.msgpack.encode(_SPEC)
    declared = msgspec.msgpack.decode(encoded, type=ProductSpec)
    product = load_product(_FOLDER, _PACKAGE)
    try:
        spec, _ = compile_product(product, declared)
        msgspec.msgpack.encode(spec)
        door = _NoDoor()
        serving = Serving(
            product, spec.id, "0", door=door, lookup=_no_lookup, connection=connection_for(door, product),
            output=CappedOutput(1024),
        )  # fmt: skip
        source = msgspec.msgpack.encode(wire.Source("http", _BODY, "application/json", method="POST", url="/parts"))
        task = wire.decode_to_worker(wire.encode(wire.Task(1, "add", _RUN, 1, "", source)))
        assert isinstance(task, wire.Task)
        (done,) = serving.work(task, on_step=lambda _: None)
        wire.encode(done)
    finally:
        for name in (_PACKAGE, f"{_PACKAGE}.product"):
            sys.modules.pop(name, None)
    _do(_BRIEFLY)
    gc.freeze()
    return done.result


def _do(acts: dict[str, Callable[[Any], None]]) -> None:
    """What a library raises is its own matter: the product will see it, if it does the same."""
    for name, act in acts.items():
        if name in sys.modules:
            with contextlib.suppress(Exception):
                act(sys.modules[name])


class _NoDoor:
    """Behind it is no server: the product here asks for nothing."""

    def __init__(self) -> None:
        self.place = Place()

    def ask(self, what: str, arguments: Any) -> Any:
        raise LookupError(what, arguments)


def _no_lookup(port: str) -> Any:
    raise LookupError(port)


def _frame(pandas: Any) -> None:
    """A frame from plain values, gaps, groups: what is slow at first, and common."""
    whole = pandas.DataFrame({"key": ["a", "b", "a"], "value": [1.0, None, 3.0]}).dropna()
    dict(whole.groupby("key")["value"].mean().items())


def _pandas(pandas: Any) -> None:
    """Frames from plain values and back, gaps, groups, order, a join: without a thread."""
    left = pandas.DataFrame({"key": ["a", "b", "a", None], "value": [1.0, None, 3.0, 4.0], "count": [1, 2, 3, 4]})
    right = pandas.DataFrame({"key": ["a", "b"], "name": ["x", "y"]})
    whole = left.dropna().merge(right, on="key", how="left").sort_values("count")
    whole["twice"] = whole["value"] * 2
    means = whole[whole["count"] > 0].groupby("key")["value"].mean()
    dict(means.items()), whole.to_dict("records"), means.sum()


def _numpy(numpy: Any) -> None:
    values = numpy.arange(16, dtype=float).reshape(4, 4)
    (values @ values.T).sum(axis=0).tolist()


def _pyarrow(pyarrow: Any) -> None:
    table = pyarrow.table({"key": ["a", "b"], "value": [1.0, None]})
    table.to_pylist()
    if "pandas" in sys.modules:
        pyarrow.Table.from_pandas(table.to_pandas(use_threads=False))


_WIDELY: Final[dict[str, Callable[[Any], None]]] = {"numpy": _numpy, "pyarrow": _pyarrow, "pandas": _pandas}
"""Libraries that are slow at first. None that starts threads when it is used may stand here: a fork would lose them."""
_BRIEFLY: Final[dict[str, Callable[[Any], None]]] = {"pandas": _frame}
