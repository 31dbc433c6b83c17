"""What a server says: lines for people, or with `HANSA_OUTPUT=json` one JSON object a line for what collects them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hansa.errors import HansaError, OperatorError

JSON: Final = "json"
TEXT: Final = "text"
_ABOUT: Final = ("run", "product", "trace", "code", "hint")
"""What a line may be about, where whoever said it knows: `extra` of the logging call."""


def is_structured(environment: Mapping[str, str]) -> bool:
    """Whether `HANSA_OUTPUT` asks for JSON. Raises `OperatorError("output.unknown")`."""
    kind = environment.get("HANSA_OUTPUT", TEXT)
    if kind not in (JSON, TEXT):
        raise OperatorError("output.unknown", f"HANSA_OUTPUT is {kind!r}", hint=f"It is {TEXT} or {JSON}.")
    return kind == JSON


def begin(environment: Mapping[str, str]) -> None:
    """Has this process say everything as the environment asks for: its own reports, those of libraries, warnings, and
    what nobody caught."""
    if not is_structured(environment):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught


def refused(failure: HansaError) -> None:
    """Says why the server does not start, or ended."""
    logging.getLogger("hansa").error(failure.message, extra={"code": failure.code, "hint": failure.hint})


def _uncaught(kind: type[BaseException], raised: BaseException, trace: Any) -> None:
    logging.getLogger("hansa").critical("the process ended", exc_info=(kind, raised, trace))


class JsonLines(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `logger`, `message`; and where known `run`, `product`, `trace`, `code`,
    `hint`, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in _ABOUT if (value := getattr(record, name, None))}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()
