# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify where certificates are not what clients accept, or not what was put on the gateway."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from deployment import as_deployed
from gateway import gateways, group_variables
from playbook import site
from verification import titles, verify

GATEWAY = gateways()[0]
ONLY = ["--limit", GATEWAY.name]
DELIVERED = "/etc/nginx/conf.d/.00-websockets.ws.serverlab.ca.pem"
DAY = datetime.timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
(SITE,) = group_variables()["websockets_sites"]


def key() -> str:
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return KEY.private_bytes(serialization.Encoding.PEM, *plain).decode()


def certificate(first: datetime.timedelta, last: datetime.timedelta) -> str:
    """One that is valid from so long to so long after now."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ws.serverlab.ca")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
        .not_valid_before(now + first)
        .not_valid_after(now + last)
        .sign(KEY, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def secured() -> dict[str, Any]:
    """The scenario's site with TLS."""
    tls = {"listen": "443 ssl", "ssl_certificate": certificate(-DAY, 90 * DAY), "ssl_certificate_key": key()}
    return {"websockets_sites": [{**SITE, **tls}]}


def test_certificates_that_clients_reject_or_that_are_not_loaded_are_red(tmp_path: Path) -> None:
    given = secured()
    file = GATEWAY.path(DELIVERED)

    def red() -> list[str]:
        run, report = verify([GATEWAY], tmp_path, *ONLY, **given)
        assert run.failed == bool(titles(report)), run.output
        return titles(report)

    with as_deployed(GATEWAY):
        deployed = site(given, arguments=ONLY)
        assert not deployed.failed, deployed.output
        assert red() == []

        file.write_text(certificate(-DAY, 80 * DAY) + key())
        assert red() == [f"The certificate of ws.serverlab.ca is not the one that nginx presents on {GATEWAY.name}"]
        GATEWAY.reload()
        assert red() == []

        file.write_text(certificate(-90 * DAY, -DAY) + key())
        GATEWAY.reload()
        assert red() == ["The certificate of ws.serverlab.ca has expired"]

        file.write_text(certificate(DAY, 90 * DAY) + key())
        GATEWAY.reload()
        assert red() == ["The certificate of ws.serverlab.ca is not valid yet"]

        file.unlink()
        assert f"The certificate of ws.serverlab.ca has no file on {GATEWAY.name}" in red()
        file.write_text(certificate(-DAY, 90 * DAY) + key())
