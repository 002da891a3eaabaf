"""A certificate for 127.0.0.1, for peers that insist on https."""

import dataclasses
import pathlib

from .process import run


@dataclasses.dataclass(frozen=True)
class Tls:
    certificate: pathlib.Path
    key: pathlib.Path
    authority: pathlib.Path


def make(folder):
    """An authority, and a certificate that it vouches for."""
    folder.mkdir()
    made = Tls(folder / "server.pem", folder / "server-key.pem", folder / "authority.pem")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority_key = folder / "authority-key.pem"
    run([*new, "-subj", "/CN=Test authority", "-keyout", authority_key, "-out", made.authority])
    names = [
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]
    signer = ["-CA", made.authority, "-CAkey", authority_key]
    run(
        [
            *new,
            *signer,
            *names,
            "-subj",
            "/CN=127.0.0.1",
            "-keyout",
            made.key,
            "-out",
            made.certificate,
        ]
    )
    made.key.chmod(0o600)
    return made
