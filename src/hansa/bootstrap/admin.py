"""The administrator's token: what the first person comes with, and `hansa` beside a server.

A Hansa that is alone has one for its folder, in `client.json`. Nodes that share a registry have one for all: its text
follows from their pepper, so that each of them knows it although none sends it, and it is issued once
(docs/decisions/0021-administrators-token.md).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hansa.access.key import Key
from hansa.access.principal import SYSTEM, Scope
from hansa.access.tokens import LIFETIME_MAX_S, TokenIssuer
from hansa.registry.interface import Registry
from hansa.registry.values import Account, Token

ADMIN: Final = "admin"
CLIENT_FILE: Final = "client.json"
TURN_S: Final = 10.0
AGAIN_S: Final = 0.05


class AdminToken(NamedTuple):
    """`is_shown`: whether it is to be told to who starts the server."""

    text: str
    is_shown: bool


def own_token(registry: Registry, issuer: TokenIssuer, data: Path) -> AdminToken:
    """The token of a Hansa that is alone, made at the first start of its folder."""
    file = data / CLIENT_FILE
    if file.exists():
        return AdminToken(str(json.loads(file.read_text())["token"]), is_shown=True)
    return AdminToken(_issue(registry, issuer), is_shown=True)


def shared_token(registry: Registry, issuer: TokenIssuer, now_us: int) -> AdminToken:
    """The token of all nodes that share the registry, and whether it was issued now: once, and again where it has
    expired. One that was revoked, and the account where it was removed, stay so."""
    with _turn(registry):
        issued = {token.id: token for token in registry.tokens() if token.account == ADMIN}
        keys = (issuer.derived(f"{ADMIN} {number}") for number in itertools.count(1))
        key = next(key for key in keys if not _has_expired(issued.get(key.id), now_us))
        is_new = key.id not in issued and _may_come(registry)
        if is_new:
            _issue(registry, issuer, key)
        return AdminToken(key.text, is_shown=is_new)


def _has_expired(token: Token | None, now_us: int) -> bool:
    return token is not None and token.revoked_us is None and token.expires_us <= now_us


def _may_come(registry: Registry) -> bool:
    """Whether there is the administrator, or nobody yet who could help."""
    admins = {account.id for account in registry.accounts() if account.admin}
    return ADMIN in admins or not admins


def _issue(registry: Registry, issuer: TokenIssuer, key: Key | None = None) -> str:
    if ADMIN not in {account.id for account in registry.accounts() if account.admin}:
        registry.put_account(SYSTEM.id, Account(ADMIN, "person", "Administrator", "", admin=True))
    made = issuer.issue(SYSTEM.id, ADMIN, "first start", [Scope.ADMIN], lifetime_s=LIFETIME_MAX_S, key=key)
    return made.text


@contextlib.contextmanager
def _turn(registry: Registry) -> Iterator[None]:
    """One node at a time."""
    name, holder = "token:admin", uuid.uuid4().hex
    while registry.take_lease(name, holder, TURN_S) is None:
        time.sleep(AGAIN_S)
    try:
        yield
    finally:
        registry.release_lease(name, holder)


def write_client_file(data: Path, url: str, token: str) -> None:
    """Has `hansa` in the folder find the server; readable by the owner of the folder only."""
    file = data / CLIENT_FILE
    part = file.with_suffix(f".{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({"url": url, "token": token}, out)
    part.replace(file)
