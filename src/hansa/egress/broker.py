"""Carries out what workers ask of the outside. Workers have neither network nor credentials; this is their way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

from hansa.egress.exits import Exits
from hansa.egress.interface import Call, Exit, refused
from hansa.egress.settings import ConnectionSetting, Settings
from hansa.errors import HansaError, InternalError, Unavailable

OnUse = Callable[[str, str, str, str, str], None]
"""Told (product, caller, connection, operation, target) of each call that goes out; the target has no credentials."""

_HIDDEN: Final = "***"


class Broker:
    """At most `threads` calls at work at once, and `calls_max` of one product at work or waiting."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_use: OnUse,
        exits: Exits | None = None,
        threads: int = 32,
        calls_max: int = 256,
    ) -> None:
        self._settings = settings
        self._on_use = on_use
        self._exits = exits or Exits()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="egress")
        self._calls_max = calls_max
        self._calls = Counter[str]()

    async def call(
        self,
        product: str,
        caller: str,
        name: str,
        operation: str,
        arguments: list[Any],
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What the connection `name` of the product answers, as plain values.

        `key` is `run:logic:sequence`, the same in each attempt, for the other side to tell a repetition by; `headers`
        go with a call over HTTP, unless its author gives others of their names. Use is told with `caller`, as it
        stands, on the event loop before this returns, also where the call then failed. A call that is cancelled may
        still happen. Raises `HansaError` with a code `connection.*` or `secret.*` and no secret in its
        texts.
        """
        if self._calls[product] >= self._calls_max:
            raise Unavailable(
                "connection.busy",
                f"{product} has {self._calls_max} calls under way already",
                hint="Limit the concurrency of the process, or do more in one call.",
            )
        loop = asyncio.get_running_loop()

        def use(target: str) -> None:
            loop.call_soon_threadsafe(self._on_use, product, caller, name, operation, target)

        self._calls[product] += 1
        call = Call(operation, arguments, key, headers or {})
        work = loop.run_in_executor(self._threads, self._carry_out, product, name, call, use)
        work.add_done_callback(lambda _: self._over(product))
        return await work

    def secrets(self, product: str) -> Mapping[str, str]:
        """The secrets that the product may read, by name."""
        return self._settings.secrets(product)

    def close(self) -> None:
        """Lets calls at work end; those that wait are dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._exits.close()

    def _over(self, product: str) -> None:
        self._calls[product] -= 1
        if not self._calls[product]:
            del self._calls[product]

    def _carry_out(self, product: str, name: str, call: Call, use: Callable[[str], None]) -> Any:
        setting = self._settings.connection(product, name)
        try:
            with self._exits.lease(product, setting) as leaving:
                _check_operation(setting, leaving, call.operation)
                use(leaving.target(call))
                return leaving.call(call)
        except HansaError as failure:
            error = failure
        except Exception as failure:
            text = f"{name}.{call.operation} of {product}: {type(failure).__name__}: {failure}"
            error = InternalError("connection.failed", text, hint="See that the arguments are right.")
        raise without_secrets(error, setting.secrets())  # not `from`: the cause's text may hold a secret


def _check_operation(setting: ConnectionSetting, leaving: Exit, operation: str) -> None:
    if operation not in leaving.operations:
        raise refused(
            "operation",
            f"{setting.name!r} is a connection of type {setting.kind}, which has no {operation!r}",
            "Annotate the parameter with Sql, Http, Files or Mail, as the connection's type is.",
        )


def without_secrets(error: HansaError, secrets: Iterable[str]) -> HansaError:
    """The same error, every secret in its texts replaced, as it stands or percent-encoded."""
    texts = sorted({form for text in secrets for form in (text, quote(text, safe=""))}, key=len, reverse=True)

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for text in texts:
                value = value.replace(text, _HIDDEN)
        return value

    details = {name: clean(value) for name, value in error.details.items()}
    return type(error)(error.code, clean(error.message), hint=clean(error.hint), details=details)
