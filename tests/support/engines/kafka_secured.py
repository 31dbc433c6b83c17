"""A broker as companies run it: clients come with TLS and SASL/SCRAM, and may do what lists of rights let them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are what it is for
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from engines.certificates import write_certificates
from engines.kafka import Kafka
from engines.process import free_ports

_SECURED: Final = """
listeners=PLAINTEXT://127.0.0.1:{broker},SECURED://127.0.0.1:{secured},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},SECURED://127.0.0.1:{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class Right(NamedTuple):
    """What a user may do. `kind` and `does` are Kafka's words; a `name` that ends with * is all that begin so."""

    kind: str
    name: str
    does: str


class SecuredKafka(Kafka):
    """`address` is that of someone who may do everything, in clear; `secured` is the address for all others."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.secured = f"127.0.0.1:{port}"
        self.authority = write_certificates(folder)
        super().__init__(folder, listeners=_SECURED.replace("{secured}", str(port)))

    def add(self, user: str, rights: Iterable[Right]) -> None:
        """Adds a user, whose password is `USER-secret`, with these rights and no others."""
        admin = AdminClient({"bootstrap.servers": self.address})
        iterations = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        known = UserScramCredentialUpsertion(user, iterations, f"{user}-secret".encode())
        admin.alter_user_scram_credentials([known])[user].result()
        given = [_acl(user, right) for right in rights]
        for made in admin.create_acls(given).values() if given else ():
            made.result()

    def settings(self, user: str, **other: str) -> dict[str, str]:
        """What a client of that user has, with other settings (`_` for a dot) in place of these."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": f"{user}-secret",
            "ssl.ca.location": str(self.authority),
            **{name.replace("_", "."): value for name, value in other.items()},
        }


def _acl(user: str, right: Right) -> AclBinding:
    begins = right.name.endswith("*")
    return AclBinding(
        ResourceType[right.kind], right.name.removesuffix("*") if begins and right.name != "*" else right.name,
        ResourcePatternType.PREFIXED if begins and right.name != "*" else ResourcePatternType.LITERAL,
        f"User:{user}", "*", AclOperation[right.does], AclPermissionType.ALLOW,
    )  # fmt: skip
