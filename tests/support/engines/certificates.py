"""Certificates for servers on loopback, made when they are needed."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY: Final = datetime.timedelta(days=1)


def write_certificates(folder: Path) -> Path:
    """Makes an authority, and key and certificate of a server on loopback by it: in `server.pem`, `server.key` and
    `server.crt`. The file with the authority's certificate."""
    key, issued_by = ec.generate_private_key(ec.SECP256R1()), _named("an authority of tests")
    authority = _certificate(issued_by, issued_by, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), True
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = _certificate(_named("127.0.0.1"), issued_by, server_key).add_extension(names, False)
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = server.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "server.key").write_bytes(private)
    (folder / "server.crt").write_bytes(public)
    (folder / "server.pem").write_bytes(private + public)
    found = folder / "authority.crt"
    found.write_bytes(authority.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return found


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY
    )
