"""Composition beyond order: `parallel`, `each` and `when`, within one process and one run.

One tree serves the author (whose leaves are bound logic), the compiled process (steps) and the runtime (stops).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, Union

from hansa.errors import AuthorError
from hansa.sdk.logic import Bound, Logic

T = TypeVar("T")
U = TypeVar("U")

CONCURRENCY_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Parallel(Generic[T]):
    """Branches that all get the same value; a barrier stands behind them. `quorum` None is all of them."""

    branches: tuple[Flow[T], ...]
    quorum: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Each(Generic[T]):
    """A flow worked for each item of a list. `quorum` None is all of them."""

    body: Flow[T]
    quorum: int | None = None
    timeout_s: float | None = None
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class When(Generic[T]):
    """`then` where the predicate answers True, else `otherwise`, which may be empty: the value then goes on as it
    is."""

    predicate: T
    then: Flow[T]
    otherwise: Flow[T] = ()


Node: TypeAlias = Union[T, Parallel[T], Each[T], When[T]]  # noqa: UP007  (type checkers need it for a generic alias)
Flow: TypeAlias = tuple[Node[T], ...]

Part: TypeAlias = Logic[..., Any] | Bound | Parallel[Bound] | Each[Bound] | When[Bound]
"""What stands at one place of a process."""
Branch: TypeAlias = Part | Sequence[Part]
"""One part, or several worked in order."""


def parallel(*branches: Branch, quorum: int | None = None, timeout_s: float | None = None) -> Parallel[Bound]:
    """Works branches side by side, each with the value that comes before; goes on when all of them have ended.

    The value behind it is a dict: the name of each branch's last logic, and what that returned. Every logic's result
    can also be named after the star. While one branch waits for a connection, a called process or state, another
    works; author code never runs in two branches at the same moment.

    Where fewer than `quorum` branches (None: all) gave a result, the run fails with the error of the first that
    failed, in the order written here. A branch that may be missing is left out of the dict, and None after the star.
    `timeout_s` is for each branch from its own start: one that is not there by then is missing.
    """
    if not branches:
        raise AuthorError("flow.empty", "parallel() has no branches", hint="Give it at least one logic.")
    _check_options("parallel", quorum, timeout_s, quorum_min=1)
    if quorum is not None and quorum > len(branches):
        message = f"parallel(…, quorum={quorum}) has only {len(branches)} branches"
        raise AuthorError("flow.option", message, hint="Ask for fewer, or leave quorum out: that is all of them.")
    return Parallel(tuple(flow_of(branch, "parallel") for branch in branches), quorum, timeout_s)


def each(*body: Part, quorum: int | None = None, timeout_s: float | None = None, concurrency: int = 1) -> Each[Bound]:
    """Works its logic for each item of the list that comes before, and makes a list of what they return, in order.

    An item for which a logic returns `Drop` is left out. Where fewer than `quorum` items gave a result (None: where
    one failed), the run fails with the error of the first that failed; else those that failed are left out, with
    their effects. With a `concurrency` above 1 (at most 32), items are worked side by side, as the branches of
    `parallel` are. `timeout_s` is for each item from its own start.
    """
    if not body:
        raise AuthorError("flow.empty", "each() has no logic", hint="Give it what to do with each item.")
    _check_options("each", quorum, timeout_s, quorum_min=0)
    if not 1 <= concurrency <= CONCURRENCY_MAX:
        message = f"each(…, concurrency={concurrency}) is not a number of items to work at a time"
        raise AuthorError("flow.option", message, hint=f"Give 1 to {CONCURRENCY_MAX}.")
    return Each(flow_of(body, "each"), quorum, timeout_s, concurrency)


def when(predicate: Logic[..., bool] | Bound, then: Branch, otherwise: Branch = ()) -> When[Bound]:
    """Works `then` where the predicate answers True, else `otherwise`; without one, the value goes on as it is.

    The predicate is a logic that returns a bool. Both ways get the value that came before it. What logic of the other
    way returned is None after the star.
    """
    chosen = flow_of(then, "when")
    if not chosen:
        raise AuthorError("flow.empty", "when() has nothing to do", hint="Give it a logic for the case of True.")
    (asked,) = flow_of(predicate, "when")
    if not isinstance(asked, Bound):
        raise AuthorError("process.not_logic", "The predicate of when() is not a logic", hint="Give it one logic.")
    return When(asked, chosen, flow_of(otherwise, "when"))


def flow_of(branch: object, within: str) -> Flow[Bound]:
    """The parts of a branch in order; raises `AuthorError("process.not_logic")`, naming where it stands."""
    if isinstance(branch, list | tuple):
        return tuple(node for part in branch for node in flow_of(part, within))
    if isinstance(branch, Bound | Parallel | Each | When):
        return (branch,)
    if isinstance(branch, Logic):
        return (Bound(branch),)
    name = getattr(branch, "__name__", repr(branch))
    raise AuthorError(
        "process.not_logic",
        f"{name} in {within} is not a logic",
        hint="Decorate it with @product.logic or @product.aggregator." if callable(branch) else None,
    )


def leaves(flow: Flow[T]) -> Iterator[T]:
    """Every leaf, in the order written."""
    for node in flow:
        if isinstance(node, Parallel):
            for branch in node.branches:
                yield from leaves(branch)
        elif isinstance(node, Each):
            yield from leaves(node.body)
        elif isinstance(node, When):
            yield node.predicate
            yield from leaves((*node.then, *node.otherwise))
        else:
            yield node


def mapped(flow: Flow[T], change: Callable[[T], U]) -> Flow[U]:
    """The same tree with other leaves; `change` sees them in the order written."""
    return tuple(_mapped(node, change) for node in flow)


def _mapped(node: Node[T], change: Callable[[T], U]) -> Node[U]:
    if isinstance(node, Parallel):
        return Parallel(tuple(mapped(branch, change) for branch in node.branches), node.quorum, node.timeout_s)
    if isinstance(node, Each):
        return Each(mapped(node.body, change), node.quorum, node.timeout_s, node.concurrency)
    if isinstance(node, When):
        return When(change(node.predicate), mapped(node.then, change), mapped(node.otherwise, change))
    return change(node)


def _check_options(name: str, quorum: int | None, timeout_s: float | None, *, quorum_min: int) -> None:
    if quorum is not None and quorum < quorum_min:
        message = f"{name}(…, quorum={quorum}) is not a number of results"
        raise AuthorError("flow.option", message, hint=f"Give {quorum_min} or more.")
    if timeout_s is not None and timeout_s <= 0:
        message = f"{name}(…, timeout_s={timeout_s}) is not a time to wait"
        raise AuthorError("flow.option", message, hint="Give seconds above 0.")
