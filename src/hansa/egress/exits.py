"""The open connections, one for each product and name, made anew when their setting changes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hansa.egress.files import FilesExit
from hansa.egress.interface import Exit
from hansa.egress.mail import MailExit
from hansa.egress.postgresql import PostgresqlExit
from hansa.egress.settings import ConnectionSetting, malformed
from hansa.egress.sqlite import SqliteExit

OpenExit = Callable[[ConnectionSetting], Exit]


def open_exit(setting: ConnectionSetting) -> Exit:
    """The exit of the setting's kind; raises `connection.malformed` where its url fits none."""
    match setting.kind:
        case "http":
            from hansa.egress.http import HttpExit  # httpx takes a fifth of what Hansa takes to start

            return HttpExit(setting)
        case "files":
            return FilesExit(setting)
        case "mail":
            return MailExit(setting)
        case "kafka":
            raise malformed(setting.name, "logic cannot call a topic", "It is for triggers: on.kafka(…, connection=…).")
    match setting.url.partition(":")[0]:
        case "sqlite":
            return SqliteExit(setting)
        case "postgresql" | "postgres":
            return PostgresqlExit(setting)
    raise malformed(setting.name, "the url names no database", "It begins with sqlite:// or postgresql://.")


@dataclass(slots=True, eq=False)
class _Held:
    setting: ConnectionSetting
    exit: Exit
    uses: int = 0


class Exits:
    """Thread-safe. One that is replaced is closed when the last call through it is over."""

    def __init__(self, open_exit: OpenExit = open_exit) -> None:
        self._open_exit = open_exit
        self._lock = threading.Lock()
        self._current: dict[tuple[str, str], _Held] = {}

    @contextlib.contextmanager
    def lease(self, product: str, setting: ConnectionSetting) -> Iterator[Exit]:
        """The product's exit for the setting, opened where there is none yet or it had another setting."""
        key = (product, setting.name)
        with self._lock:
            held = self._current.get(key)
            if held is None or held.setting != setting:
                before, held = held, _Held(setting, self._open_exit(setting))
                self._current[key] = held
                if before is not None and not before.uses:
                    before.exit.close()
            held.uses += 1
        try:
            yield held.exit
        finally:
            with self._lock:
                held.uses -= 1
                if not held.uses and self._current.get(key) is not held:
                    held.exit.close()

    def close(self) -> None:
        """Closes all, those in use as soon as they are not."""
        with self._lock:
            idle = [held for held in self._current.values() if not held.uses]
            self._current.clear()
            for held in idle:
                held.exit.close()
