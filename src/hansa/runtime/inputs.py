"""What a trigger delivered, as the value and the named arguments that logic takes. Compiled once per process."""

from __future__ import annotations

import email.parser
import email.policy
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hansa.eventlog.interface import as_array
from hansa.runtime import wire
from hansa.sdk.context import TriggerInfo
from hansa.sdk.process import MISSING, Input, Parameter, Process
from hansa.sdk.values import Problem

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_raws: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_PLACE: Final = " - at `$"


class Inputs:
    """Decodes the input of one process, or of the part of it that begins with `first`. Bad input is a `Problem` 422
    with the path of every field that is wrong."""

    def __init__(self, process: Process, first: Input) -> None:
        self.shape = first.shape
        self._annotation = first.annotation
        whole = list[first.annotation] if first.shape == "list" else first.annotation  # type: ignore[name-defined]
        self._json = msgspec.json.Decoder(whole if first.shape != "none" and _decodable(whole) else Any)
        self._entries = msgspec.msgpack.Decoder(list[tuple[str | None, _element(first.annotation)]])  # type: ignore[misc]
        self._whole = whole
        parameters = {p.name: p for step in process.steps for p in (*step.parameters, *step.on_error_parameters)}
        self._path = [p for p in parameters.values() if p.source == "path"]
        self._query = [p for p in parameters.values() if p.source == "query"]

    def value(self, source: wire.Source) -> Any:
        """The value of the first logic, from a body."""
        if self.shape == "none":
            return None
        kind = source.content_type.partition(";")[0].strip().lower()
        if self._annotation is bytes:
            return source.body
        if self._annotation is str and kind.startswith("text/"):
            return source.body.decode("utf-8", "replace")
        try:
            if kind in _FORMS:
                return msgspec.convert(form(source), self._whole, strict=False)
            if not source.body:
                return self._nothing()
            return self._json.decode(source.body)
        except msgspec.ValidationError as failure:
            raise invalid([failure_at("body", str(failure))]) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as failure:
            raise Problem(
                400,
                "body.not_json",
                f"The body is not JSON: {failure}",
                hint="Send JSON, or name the body's Content-Type.",
            ) from None

    def _nothing(self) -> Any:
        if self._whole is Any:
            return None
        try:
            return msgspec.convert(None, self._whole)
        except msgspec.ValidationError:
            raise invalid([{"path": "body", "code": "field.missing", "message": "A body is required"}]) from None

    def records(self, parts: Sequence[wire.Records]) -> list[Any]:
        """The records or events of a batch. Those that a newer contract made unreadable raise as a whole."""
        found: list[Any] = []
        for part in parts:
            found += [body for _, body in self._entries.decode(as_array(part.entries, part.count))]
        return found

    def readable(self, parts: Sequence[wire.Records]) -> list[Any]:
        """As `records`, with the error in the place of each that is not what logic takes."""
        try:
            return self.records(parts)
        except msgspec.ValidationError:
            return [self._one(entry) for part in parts for entry in _raws(as_array(part.entries, part.count))]

    def _one(self, entry: msgspec.Raw) -> Any:
        try:
            ((_, body),) = self._entries.decode(as_array(bytes(entry), 1))
        except msgspec.ValidationError as failure:
            return failure
        return body

    def arguments(self, source: wire.Source) -> dict[str, Mapping[str, Any]]:
        """Path and query parameters by name, converted; what is missing and has a default is left out."""
        if not self._path and not self._query:
            return _NO_ARGUMENTS
        errors: list[dict[str, str]] = []
        path = _converted(self._path, source.path, "path", errors)
        query = _converted(self._query, source.query, "query", errors)
        if errors:
            raise invalid(errors)
        return {"path": path, "query": query}


_NO_ARGUMENTS: Final[dict[str, Mapping[str, Any]]] = {"path": {}, "query": {}}


def _element(annotation: Any) -> Any:
    return annotation if _decodable(annotation) else Any


def _decodable(annotation: Any) -> bool:
    try:
        msgspec.json.Decoder(annotation)
    except (TypeError, ValueError):
        return False
    return True


def _converted(
    parameters: list[Parameter], given: Mapping[str, Any], where: str, errors: list[dict[str, str]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name not in given:
            if parameter.default is MISSING:
                text = f"The {where} parameter {parameter.name!r} is missing"
                errors.append({"path": f"{where}.{parameter.name}", "code": "field.missing", "message": text})
            continue
        value = given[parameter.name]
        if parameter.annotation is not str and parameter.annotation is not Any:
            try:
                value = msgspec.convert(value, parameter.annotation, strict=False)
            except msgspec.ValidationError as failure:
                errors.append(failure_at(f"{where}.{parameter.name}", str(failure)))
        found[parameter.name] = value
    return found


def failure_at(where: str, text: str) -> dict[str, str]:
    """A msgspec failure with the path in our form: `body.logs[3]`."""
    message, _, place = text.partition(_PLACE)
    code = "field.missing" if "missing required field" in message else "field.type"
    if code == "field.missing":
        place = f"{place.rstrip('`')}.{message.rsplit('`', 2)[1]}"
    return {"path": where + place.rstrip("`"), "code": code, "message": message}


def invalid(errors: list[dict[str, str]]) -> Problem:
    """The answer to input that does not fit."""
    first = errors[0]
    return Problem(
        422,
        "input.invalid",
        f"{first['path']}: {first['message']}" + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""),
        hint="The route's schema is in /openapi.json.",
        details={"errors": errors},
    )


def form(source: wire.Source) -> dict[str, Any]:
    """The fields of a form; one that is there more than once is a list, a file is bytes."""
    if source.content_type.lower().startswith("multipart/"):
        return _multipart(source)
    text = source.body.decode("utf-8", "replace")
    return _single(urllib.parse.parse_qs(text, keep_blank_values=True))


def _multipart(source: wire.Source) -> dict[str, Any]:
    head = f"Content-Type: {source.content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + source.body)
    fields: dict[str, list[Any]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            value = content if part.get_filename() else content.decode("utf-8", "replace")
            fields.setdefault(name, []).append(value)
    return _single(fields)


def _single(fields: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def trigger_info(source: wire.Source) -> Callable[[], TriggerInfo]:
    """What `ctx.trigger` shows, made when it is asked for."""

    def make() -> TriggerInfo:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in source.headers}
        return TriggerInfo(
            source.kind,
            source.detail,
            source.method,
            source.url,
            source.path,
            source.query,
            headers,
            source.content_type,
        )

    return make
