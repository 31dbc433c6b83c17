"""PostgreSQL as companies run it: with TLS and passwords, and for people who own their schemas and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from engines.certificates import write_certificates
from engines.postgresql import PostgreSQL

_CONF: Final = "\nssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n"
_WAYS: Final = "hostssl all {user} 127.0.0.1/32 scram-sha-256\nhost all {user} 127.0.0.1/32 reject\n"
USER: Final = "hansa"


class SecuredPostgreSQL(PostgreSQL):
    """`address` is that of a superuser, in clear; `secured` is that of `USER`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        authority = write_certificates(self._data)
        (self._data / "server.key").chmod(0o600)
        if self.person:
            for name in ("server.key", "server.crt"):
                shutil.chown(self._data / name, self.person)
        with (self._data / "postgresql.conf").open("a") as conf:
            conf.write(_CONF)
        ways = self._data / "pg_hba.conf"
        ways.write_text(_WAYS.format(user=USER) + ways.read_text())
        self.authority = Path(shutil.copy(authority, folder / "authority.crt"))

    def database(self, name: str, *schemas: str) -> str:
        """Makes a database where `USER` owns these schemas and may do nothing else; its address, with a password and
        the certificate checked."""
        with psycopg.connect(self.address, autocommit=True) as raw:
            if not raw.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,)).fetchone():
                raw.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(USER)))
            raw.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            raw.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            granted = sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}")
            raw.execute(granted.format(sql.Identifier(name), sql.Identifier(USER)))
        with psycopg.connect(self.address.rpartition("/")[0] + f"/{name}", autocommit=True) as raw:
            raw.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for schema in schemas:
                made = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
                raw.execute(made.format(sql.Identifier(schema), sql.Identifier(USER)))
        place = f"localhost:{self._port}/{name}?hostaddr=127.0.0.1"
        return f"postgresql://{USER}:secret@{place}&sslmode=verify-full&sslrootcert={self.authority}"
