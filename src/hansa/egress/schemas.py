"""Schemas of another system's registry, by Confluent's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hansa.errors import CallerError, OperatorError

TIMEOUT_S: Final = 10.0
PREFIX: Final = "schema.registry."


class ForeignSchemas:
    """The registry at the address `schema.registry.url` of a connection's settings, with the credentials
    `schema.registry.basic.auth.user.info` (`name:password`) where there are some. Blocking."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._url = settings[f"{PREFIX}url"].rstrip("/")
        name, _, password = settings.get(f"{PREFIX}basic.auth.user.info", "").partition(":")
        self._auth = (name, password) if name else None

    def schema(self, number: int) -> tuple[str, str]:
        """(type, text) of the schema of an id. Raises `OperatorError("kafka.registry")` where the registry does not
        answer, `CallerError("kafka.undecodable")` where it has no such schema, or one of several texts."""
        import httpx  # it takes a fifth of what Hansa takes to start

        try:
            answer = httpx.get(f"{self._url}/schemas/ids/{number}", auth=self._auth, timeout=TIMEOUT_S)
        except httpx.HTTPError as failure:
            raise self._unavailable(type(failure).__name__) from failure
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise _undecodable(f"the registry has no schema {number}")
        if not answer.is_success:
            raise self._unavailable(f"it answers {answer.status_code}")
        found: dict[str, Any] = answer.json()
        if found.get("references"):
            raise _undecodable(f"the schema {number} refers to others, which is not followed")
        return found.get("schemaType", "AVRO"), found["schema"]

    def _unavailable(self, why: str) -> OperatorError:
        return OperatorError(
            "kafka.registry",
            f"The schema registry {self._url} is not read: {why}",
            hint="See the settings schema.registry.… of the connection; it is tried again by itself.",
        )


def _undecodable(why: str) -> CallerError:
    return CallerError("kafka.undecodable", f"The message cannot be decoded: {why}", hint="Name the right registry.")
