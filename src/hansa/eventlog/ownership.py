"""Who is to own a log that several nodes share, as somebody says who is told by all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec


class Address(msgspec.Struct, frozen=True, array_like=True):
    """Where the owner's channel is."""

    host: str
    port: int


class Ownership(ABC):
    """Says which node is to own a log. Its methods belong to one thread; they may raise `Unavailable`: then who was
    the owner goes on."""

    @abstractmethod
    def take(self) -> bool:
        """Asks for it, or to keep it; True where this node is to be the owner."""

    @abstractmethod
    def release(self) -> None:
        """Gives it up where this node has it, so that another one takes it at once."""

    @abstractmethod
    def owner(self) -> Address | None:
        """Where the owner's channel is, None where there is no owner."""
