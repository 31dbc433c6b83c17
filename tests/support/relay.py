"""A server with `shop.relay`, and what it reaches: a service beyond it, and a collector of OTLP."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from server import Server, running

PRODUCT = Path(__file__).parents[1] / "acceptance" / "products" / "relay"


class Heard:
    """What came over HTTP: (path, headers, body), in order."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def spans(self) -> list[Any]:
        """The spans that were exported, as the official messages of OTLP have them."""
        found = []
        for _, _, body in list(self.requests):
            sent = ExportTraceServiceRequest.FromString(body)
            found += [span for part in sent.resource_spans for scope in part.scope_spans for span in scope.spans]
        return found

    def resource(self) -> dict[str, str]:
        """The attributes of what exported them."""
        sent = ExportTraceServiceRequest.FromString(self.requests[0][2])
        return {one.key: one.value.string_value for one in sent.resource_spans[0].resource.attributes}


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, Heard]]:
    """The URL of a service that answers everything with 200, and what it was asked."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            heard.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def relaying(folder: Path, **environment: str) -> Iterator[tuple[Server, Heard]]:
    """A server with the product, and what the service beyond was asked."""
    with listening() as (beyond, asked):
        data = folder / "data"
        data.mkdir()
        (data / "connections.yaml").write_text(
            f"all:\n  beyond: {{type: http, url: '{beyond}', allow: ['127.0.0.1']}}\n"
        )
        with running(data, environment=environment) as server:
            server.deploy(PRODUCT, "shop.relay")
            yield server, asked
