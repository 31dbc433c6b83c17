"""What starts a process, as authors write it: `on=http.post("/orders")`, `on(departures, batch=1000)`,
`schedule.every("5m")`.

Each call returns a plain value of the model; plan completes it (full path, schemas) and checks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from hansa.errors import AuthorError
from hansa.model.product import (
    EventTrigger,
    HttpTrigger,
    KafkaTrigger,
    ManualTrigger,
    OnceTrigger,
    PortTrigger,
    ScheduleTrigger,
)
from hansa.sdk.ports import Port

Body = Literal["none", "json", "form", "text", "bytes"]
_PATH_NAME: Final = re.compile(r"\{([^{}]*)\}")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Subscription(PortTrigger, frozen=True, tag="port"):
    """A port trigger that still knows the class of the records, for plan to check the first logic against."""

    record: Any = Any


class _Route:
    """One HTTP method; called with a path it makes the trigger."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __call__(
        self,
        path: str,
        *,
        mode: Literal["sync", "async"] = "sync",
        wait_s: float = 15.0,
        encapsulated: bool = False,
        body: Body = "json",
        public: bool = False,
        body_max_bytes: int = 10 * 1024 * 1024,
    ) -> HttpTrigger:
        """A route under `/{domain}/{product}`, with `{names}` that logic takes as parameters.

        `sync` answers with the result, or after `wait_s` with 202 and the run's id; `async` answers 202 once the call
        is durable. `encapsulated` wraps the result in run id, status and data. `public` needs no token.
        """
        check_path(path)
        if wait_s <= 0:
            raise AuthorError("http.wait", f"wait_s={wait_s} is not a time to wait", hint="Give seconds above 0.")
        return HttpTrigger(
            self._method,
            path,
            mode=mode,
            wait_s=wait_s,
            encapsulated=encapsulated,
            body=body,
            public=public,
            body_max_bytes=body_max_bytes,
        )


class _Http:
    get = _Route("GET")
    post = _Route("POST")
    put = _Route("PUT")
    patch = _Route("PATCH")
    delete = _Route("DELETE")
    head = _Route("HEAD")
    options = _Route("OPTIONS")


class _On:
    def __call__(
        self,
        port: Port[Any],
        *,
        batch: int = 1,
        start: Literal["earliest", "latest"] = "earliest",
        where: Mapping[str, Any] | None = None,
        **equalities: Any,
    ) -> PortTrigger:
        """The port's records as they arrive, up to `batch` in one run, in order per key.

        `where` and `**equalities` are one filter: `on(departures, origin="JFK")`; use `where` for a field that is
        called like an option. `start` is where a new subscription begins.
        """
        Port.checked(port, "on(…)")
        filters = {**(where or {}), **equalities}
        for name in filters:
            port.check_field(name)
        return Subscription(port.id, batch=_positive("batch", batch), where=filters, start=start, record=port.record)

    def event(
        self,
        name: str,
        *,
        source: str | None = None,
        target: str | None = None,
        where: Mapping[str, Any] | None = None,
        batch: int = 1,
        start: Literal["earliest", "latest"] = "latest",
    ) -> EventTrigger:
        """Events of that name, and optionally of a source, a target, and equalities over the payload."""
        return EventTrigger(
            name, source=source, target=target, where=dict(where or {}), batch=_positive("batch", batch), start=start
        )

    def kafka(
        self,
        topic: str,
        *,
        connection: str,
        batch: int = 1,
        value: Literal["json", "registry", "text", "bytes"] = "json",
        start: Literal["earliest", "latest"] = "earliest",
    ) -> KafkaTrigger:
        """Messages of a topic that another system owns, through a connection of type kafka: each has its effect once.

        Logic takes what `value` makes of a message (`registry`: Avro, JSON or Protobuf behind the framing of a schema
        registry, whose address is a setting of the connection), or the whole `Message`, up to `batch` in one run, in
        order per partition. `start` is where a new subscription begins.
        """
        if not _TOPIC.fullmatch(topic):
            raise AuthorError(
                "kafka.topic",
                f"{topic!r} is not the name of a topic",
                hint="It is 1 to 249 letters, digits and . _ -",
            )
        return KafkaTrigger(topic, connection, batch=_positive("batch", batch), value=value, since=start)


class _Schedule:
    def cron(
        self,
        expression: str,
        *,
        timezone: str = "UTC",
        overlap: Literal["skip", "queue", "allow"] = "skip",
        catch_up: Literal["none", "one", "all"] = "one",
        payload: Any = None,
    ) -> ScheduleTrigger:
        """Five fields (minute hour day month weekday) in `timezone`. `overlap` says what happens while the run before
        is still at work, `catch_up` which of the times that were missed are made up for."""
        if len(expression.split()) != 5:
            raise AuthorError(
                "schedule.cron",
                f"{expression!r} is not a cron expression",
                hint="Give five fields: minute hour day month weekday, for example '0 6 * * *'.",
            )
        _check_timezone(timezone)
        return ScheduleTrigger(cron=expression, timezone=timezone, overlap=overlap, catch_up=catch_up, payload=payload)

    def every(
        self,
        interval: float | str,
        *,
        overlap: Literal["skip", "queue", "allow"] = "skip",
        catch_up: Literal["none", "one", "all"] = "one",
        payload: Any = None,
    ) -> ScheduleTrigger:
        """Seconds, or text such as `30s`, `5m`, `2h`, `1d`."""
        return ScheduleTrigger(every_s=seconds(interval), overlap=overlap, catch_up=catch_up, payload=payload)


http: Final = _Http()
on: Final = _On()
schedule: Final = _Schedule()


def once(at: datetime | str | None = None, *, payload: Any = None) -> OnceTrigger:
    """One time: at `at` (a time with its zone, or RFC 3339 text), or as soon as the revision is live."""
    if at is None:
        return OnceTrigger(payload=payload)
    try:
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    except ValueError as failure:
        raise AuthorError(
            "once.time", f"{at!r} is not a time", hint="Write it like '2026-12-24T18:00:00Z'."
        ) from failure
    if moment.tzinfo is None:
        raise AuthorError("once.time", f"{at} has no time zone", hint="Add one: Z, +01:00 or tzinfo=UTC.")
    return OnceTrigger(at=moment.isoformat(), payload=payload)


def manual() -> ManualTrigger:
    """Started by hand only. Every process can be; this says that it is meant so."""
    return ManualTrigger()


def seconds(interval: float | str) -> float:
    """An interval in seconds; raises `AuthorError("schedule.interval")` unless it is above 0."""
    if isinstance(interval, str):
        match = _DURATION.fullmatch(interval.strip())
        found = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    else:
        found = float(interval)
    if found <= 0:
        raise AuthorError(
            "schedule.interval",
            f"{interval!r} is not an interval",
            hint="Give seconds above 0, or text such as '30s', '5m', '2h', '1d'.",
        )
    return found


def path_names(path: str) -> tuple[str, ...]:
    """The names in braces, in order."""
    return tuple(_PATH_NAME.findall(path))


def check_path(path: str) -> None:
    """Raises `AuthorError("http.path")` where `path` is not `/`, segments and `{names}`, each name once."""
    names = path_names(path)
    rest = _PATH_NAME.sub("", path)
    wrong = (
        "does not begin with '/'" if not path.startswith("/")
        else "has a brace without its partner" if "{" in rest or "}" in rest
        else "holds '?' or '#' (query parameters are keyword parameters of the logic)" if "?" in rest or "#" in rest
        else "holds a blank" if any(c.isspace() for c in path)
        else next((f"holds {{{n}}}, which is not a name" for n in names if not n.isidentifier()), None)
        or ("uses a name twice" if len(set(names)) < len(names) else None)
    )  # fmt: skip
    if wrong:
        raise AuthorError("http.path", f"The path {path!r} {wrong}", hint="It reads like '/orders/{order_id}/lines'.")


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise AuthorError("trigger.batch", f"{name}={value} is not a number of records", hint="Give 1 or more.")
    return value


def _check_timezone(name: str) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as failure:
        raise AuthorError(
            "schedule.timezone", f"{name!r} is not a time zone", hint="Use an IANA name such as 'Europe/Berlin'."
        ) from failure
