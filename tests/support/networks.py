"""Two machines of our own on this one: network namespaces, with networks between them that can be cut."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engines.install import Denied, ip

NETWORKS: Final = ("people", "nodes", "engines")
_CLONE_NEWNET: Final = 0x40000000
_NAMESPACES: Final = Path("/run/netns")


class Networks:
    """The machines *here*, 10.9.N.1, and *there*, 10.9.N.2, where N is the place of a network in `NETWORKS`. Nothing
    leads out of them."""

    def __init__(self) -> None:
        """Raises `Missing`."""
        self._ip, name = str(ip()), uuid.uuid4().hex[:8]
        self._here, self._there = f"hansa-{name}-here", f"hansa-{name}-there"

    def make(self) -> None:
        """Makes machines and networks. Raises `Denied` where that is not allowed."""
        try:
            for machine in (self._here, self._there):
                self._do("netns", "add", machine)
                self._do("-n", machine, "link", "set", "lo", "up")
            for name in NETWORKS:
                self._plug(name)
        except subprocess.CalledProcessError as failure:
            raise Denied(f"no network namespaces can be made: {failure.stderr.strip()}") from failure

    def _plug(self, name: str) -> None:
        """A switch here, which has this machine's address, and a cable from there that ends in it."""
        here, there = ("-n", self._here), ("-n", self._there)
        self._do(*here, "link", "add", name, "type", "bridge")
        self._do(*here, "link", "add", f"to-{name}", "type", "veth", "peer", "name", name, "netns", self._there)
        self._do(*here, "link", "set", f"to-{name}", "master", name)
        for machine, address in ((here, address_of(name, 1)), (there, address_of(name, 2))):
            self._do(*machine, "address", "add", f"{address}/24", "dev", name)
            self._do(*machine, "link", "set", name, "up")
        self.mend(name)

    def remove(self) -> None:
        """Removes what there is of them. Who is still inside stays there."""
        for machine in (self._there, self._here):
            if (_NAMESPACES / machine).exists():
                self._do("netns", "delete", machine)

    def cut(self, *names: str) -> None:
        """Nothing passes any more, and nobody is told."""
        for name in names:
            self._do("-n", self._here, "link", "set", f"to-{name}", "down")

    def mend(self, *names: str) -> None:
        """Everything passes again."""
        for name in names:
            self._do("-n", self._here, "link", "set", f"to-{name}", "up")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is here for the length of a block, with the threads and processes that it starts."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(_NAMESPACES / self._here)
            yield
        finally:
            _enter(Path(f"/proc/self/fd/{before}"))
            os.close(before)

    @property
    def there(self) -> tuple[str, ...]:
        """What stands before a command that is to run there."""
        return (shutil.which("nsenter") or "nsenter", f"--net={_NAMESPACES / self._there}")

    def _do(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, capture_output=True, text=True)


def address_of(network: str, machine: int) -> str:
    """The address of a machine, 1 *here* or 2 *there*, in a network."""
    return f"10.9.{NETWORKS.index(network)}.{machine}"


@contextlib.contextmanager
def networks() -> Iterator[Networks]:
    """Networks for the length of a block, this thread inside. Raises `Missing`."""
    made = Networks()
    try:
        made.make()
        with made.inside():
            yield made
    finally:
        made.remove()


def _enter(namespace: Path) -> None:
    with namespace.open() as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"{namespace} cannot be entered")
