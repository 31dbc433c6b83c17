"""Calls to one HTTP service, through httpx: paths below the connection's url, its credentials, no redirects."""

from __future__ import annotations

import contextlib
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import unquote

import httpx

from hansa.egress.address import Resolve, permitted, resolve
from hansa.egress.interface import ANSWER_MAX_BYTES, Call, Exit, refused, too_large, unavailable
from hansa.egress.settings import ConnectionSetting, malformed

TIMEOUT_MAX_S: Final = 300.0
_ABSOLUTE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*://|[/\\]{2}|\\")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_JSON: Final = {"content-type": "application/json"}
_TEXT: Final = {"content-type": "text/plain; charset=utf-8"}


class HttpExit(Exit):
    """One service. Answers of any status are answers; connections are kept open between calls, cookies are not."""

    operations = ("request",)

    def __init__(self, setting: ConnectionSetting, *, resolve: Resolve = resolve) -> None:
        url = httpx.URL(setting.url)
        if url.scheme not in ("http", "https") or not url.host:
            raise malformed(setting.name, f"{url!r} is not a URL of HTTP", "It reads like https://shop.example/api.")
        self.uri = str(url.copy_with(username=None, password=None, query=None, fragment=None))
        self._own_headers = _credentials(setting, url)
        self._client = httpx.Client(
            transport=_Guarded(setting.allow, resolve),
            base_url=self.uri,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
        )

    def target(self, call: Call) -> str:
        path: str = call.arguments[1]
        return f"{self.uri.rstrip('/')}/{_relative(path).partition('?')[0]}"

    def call(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        method, path, body, query, headers, timeout_s = call.arguments
        timeout_s = min(timeout_s, TIMEOUT_MAX_S)
        content, content_type = _content(body)
        repetition = {"idempotency-key": call.key} if call.key else {}
        request = self._client.build_request(
            method,
            httpx.URL(f"/{_relative(path)}").copy_merge_params(query),
            content=content,
            headers={**call.headers, **content_type, **repetition, **_lowered(headers), **self._own_headers},
            timeout=timeout_s,
        )
        with _translated(self.target(call)):
            response = self._client.send(request, stream=True)
            with contextlib.closing(response):
                return response.status_code, dict(response.headers), _read(response, timeout_s)

    def close(self) -> None:
        self._client.close()


class _Guarded(httpx.BaseTransport):
    """Connects to the addresses that were looked at: what the name means a moment later does not matter."""

    def __init__(self, allow: tuple[str, ...], resolve: Resolve) -> None:
        self._allow = allow
        self._resolve = resolve
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        request.extensions = {**request.extensions, "sni_hostname": host}
        *others, last = permitted(host, self._allow, self._resolve)
        for address in others:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return self._send(request, address)
        return self._send(request, last)

    def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        request.url = request.url.copy_with(host=address)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _relative(path: str) -> str:
    """The path without its first slash; raises where it would leave the connection's url."""
    if _ABSOLUTE.match(path) or "\\" in path:
        raise refused(
            "absolute_url",
            f"{path!r} is a full URL",
            "Give the path only, for example '/orders/7'; the connection has the address.",
        )
    if ".." in unquote(path.partition("?")[0]).split("/"):
        raise refused("path_escape", f"{path!r} leaves the connection's url", "Give a path without '..'.")
    return path.removeprefix("/")


def _content(body: Any) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, {}
    if isinstance(body, bytes):
        return body, {}
    if isinstance(body, str):
        return body.encode(), _TEXT
    return httpx.Request("POST", "http://json", json=body).content, _JSON


def _lowered(headers: dict[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in headers.items()}
    for name in found.keys() & _OURS:
        raise refused("header", f"The header {name!r} belongs to the connection", "Leave it out.")
    return found


def _credentials(setting: ConnectionSetting, url: httpx.URL) -> dict[str, str]:
    """The headers of the connection: its own, and its secret as Basic, as the header named, or as a bearer token."""
    found = {name.lower(): value for name, value in setting.headers.items()}
    user, secret = setting.user or url.username, setting.secret or url.password
    if setting.header and secret:
        found[setting.header.lower()] = secret
    elif user:
        found["authorization"] = "Basic " + b64encode(f"{user}:{secret or ''}".encode()).decode()
    elif secret:
        found["authorization"] = f"Bearer {secret}"
    return found


def _read(response: httpx.Response, timeout_s: float) -> bytes:
    """The body, decoded; httpx's own timeout is for each piece, this one for all of them."""
    until = time.monotonic() + timeout_s
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > ANSWER_MAX_BYTES:
            raise too_large("The answer", "Ask for less at once.")
        if time.monotonic() > until:
            raise httpx.ReadTimeout(f"the body was not complete after {timeout_s:g} s")
    return b"".join(parts)


@contextlib.contextmanager
def _translated(target: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as failure:
        message = f"{target} did not answer in time: {failure}"
        raise unavailable(message, "Try again, or give timeout_s.", "timeout") from failure
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise unavailable(f"{target} gave no answer: {failure}", "See that the service is up.") from failure
