# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of certificates and keys that nginx would not load."""

from __future__ import annotations

import ssl
import typing as t
from pathlib import Path

# Where RHEL's family has the CAs that the host trusts, the second one without the package's links.
_CA_FILES = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")


class Certificate(t.NamedTuple):
    """A certificate with its key, or CAs without one, and the path of the variable: that of the key ends with _key."""

    path: str
    key: str | None
    at: str


def ca_file(path: str) -> str:
    """The CAs that the host trusts: this file, or else that of another family of distributions."""
    return path if Path(path).exists() else next((other for other in _CA_FILES if Path(other).exists()), path)


def errors(certificates: t.Iterable[Certificate]) -> t.Iterator[str]:
    """Why nginx would not load them, as far as Python can tell."""
    for certificate in certificates:
        unreadable = [
            f"{at}: {path} cannot be read ({reason})"
            for at, path in ((certificate.at, certificate.path), (f"{certificate.at}_key", certificate.key))
            for reason in [_unreadable(path)]
            if reason
        ]
        yield from unreadable
        if not unreadable:
            yield from _unusable(certificate)


def _unreadable(path: str | None) -> str:
    try:
        if path is not None:
            with Path(path).open("rb") as file:
                file.read(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _unusable(certificate: Certificate) -> t.Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Which keys and digests are strong enough is nginx's own affair.
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        context.load_verify_locations(cafile=certificate.path)
    except ssl.SSLError:
        yield f"{certificate.at}: {certificate.path} has no certificate in PEM format"
        return
    if certificate.key is None:
        return
    # nginx has the passwords of keys in ssl_password_file.
    passwords: list[None] = []

    def password() -> str:
        passwords.append(None)
        return ""

    try:
        context.load_cert_chain(certificate.path, certificate.key, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"{certificate.at}_key: {certificate.key} is not the key of {certificate.path}"
        elif not passwords:
            yield f"{certificate.at}_key: {certificate.key} has no private key in PEM format"
