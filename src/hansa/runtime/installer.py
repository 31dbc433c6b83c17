"""Runs pip or uv for a product's requirements: in a clean environment, in bounded time, in a process group of its own.

Only wheels are installed. A source distribution is refused: its setup is code, and would run with the server's rights.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from hansa.errors import AuthorError, Unavailable
from hansa.runtime import linux

LAST_LINES: Final = 20
TIMEOUT_S: Final = 900.0
_READ_BYTES: Final = 1 << 16
_LINE_CHARS_MAX: Final = 500

_KEPT: Final = frozenset({
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "PIP_PROXY",
    "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "PIP_CACHE_DIR", "PIP_TIMEOUT", "PIP_RETRIES",
    "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX", "UV_FIND_LINKS",
    "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_CONFIG_FILE", "UV_CACHE_DIR", "UV_HTTP_TIMEOUT",
})  # fmt: skip
"""Where packages come from and how to get there. Nothing else of the server's environment is the installer's."""


def installer_environment(server: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of an installer: proxies, indexes, certificates, caches; nothing of Hansa's own."""
    return {name: value for name, value in server.items() if name in _KEPT} | {"PYTHONUNBUFFERED": "1"}


def install_command(target: Path, wanted: Sequence[str], index_arguments: Sequence[str]) -> list[str]:
    """What installs `wanted` into `target`: uv where it is there, else pip."""
    options = ["--target", str(target), "--only-binary", ":all:", *index_arguments, "--", *wanted]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *options]
    return [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *options]


class Installer:
    """Runs installations, each in the thread that asks. `close` ends those that are under way."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_closed = False

    def run(self, command: list[str], wanted: Sequence[str], progress: Callable[[str], None]) -> None:
        """Returns when everything is installed; `progress` gets each line that the installer prints. Raises
        `AuthorError` `requirements.failed` or `requirements.timed_out` (with its last lines), `Unavailable`
        `requirements.cancelled`. Whatever it started is gone then."""
        last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)

        def tell(line: str) -> None:
            last.append(line[:_LINE_CHARS_MAX])
            progress(last[-1])

        with self._started(command) as process:
            in_time = _read_lines(process, tell, time.monotonic() + self._timeout_s)
            if not in_time:
                _end_group(process)
            status = process.wait()
        if self._is_closed:
            raise _cancelled(wanted)
        if not in_time:
            raise _timed_out(wanted, self._timeout_s, list(last))
        if status != 0:
            raise _failed(wanted, list(last))

    def close(self) -> None:
        """Ends what is under way and starts nothing more."""
        with self._lock:
            self._is_closed = True
            for process in self._running:
                _end_group(process)

    @contextlib.contextmanager
    def _started(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._is_closed:
                raise _cancelled(command[-1:])
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "hansa.runtime.installer", str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=installer_environment(os.environ) | _own_path(),
                start_new_session=True,
            )
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                finally:
                    _end_group(process)
        finally:
            with self._lock:
                self._running.discard(process)


def _own_path() -> dict[str, str]:
    """Lets the interpreter find this module; it is taken away before the installer starts."""
    return {"PYTHONPATH": str(Path(__file__).parents[2])}


def _read_lines(process: subprocess.Popen[bytes], tell: Callable[[str], None], end: float) -> bool:
    """Tells every line until the output ends; False where that was not before `end` (monotonic s). What the process
    left behind when it ended is killed: it would hold the output open."""
    assert process.stdout is not None
    rest, watch = b"", os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(watch, selectors.EVENT_READ)
            while (left_s := end - time.monotonic()) > 0:
                ready = {key.fd for key, _ in selector.select(left_s)}
                if watch in ready:
                    selector.unregister(watch)
                    _end_group(process)
                if process.stdout.fileno() in ready:
                    chunk = os.read(process.stdout.fileno(), _READ_BYTES)
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines if chunk else filter(None, [rest]):
                        tell(line.decode(errors="replace").rstrip())
                    if not chunk:
                        return True
    finally:
        os.close(watch)
    return False


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kills the installer and whatever it started. Its number stays its own until it was waited for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _failed(wanted: Sequence[str], last: list[str]) -> AuthorError:
    return AuthorError(
        "requirements.failed",
        f"The requirements {', '.join(wanted)} could not be installed: {last[-1] if last else 'no output'}",
        hint="Check the names and versions. Each needs a wheel for this machine: source distributions are not built, "
        "as that would run their code on the server.",
        details={"requirements": list(wanted), "output": last},
    )


def _timed_out(wanted: Sequence[str], timeout_s: float, last: list[str]) -> AuthorError:
    return AuthorError(
        "requirements.timed_out",
        f"The requirements {', '.join(wanted)} were not installed after {timeout_s:g} s",
        hint="Deploy again, as what was downloaded is kept; or let the operator raise HANSA_INSTALL_S.",
        details={"requirements": list(wanted), "output": last},
    )


def _cancelled(wanted: Sequence[str]) -> Unavailable:
    return Unavailable(
        "requirements.cancelled",
        f"The installation of {', '.join(wanted)} was cancelled: Hansa is stopping",
        hint="Deploy again when it is back.",
    )


def main() -> None:
    """`python -m hansa.runtime.installer SERVER COMMAND…`: becomes the command, tied to the life of the server."""
    linux.die_with_parent(int(sys.argv[1]))
    os.environ.pop("PYTHONPATH", None)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
