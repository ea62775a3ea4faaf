# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify where certificates are not what clients accept, or not what was put on the gateway."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from deployment import as_deployed
from gateway import Gateway
from playbook import INVENTORIES
from secure import CERTIFICATES, EPHEMERAL
from verification import titles, verify

VAULTED = [*INVENTORIES, EPHEMERAL / "inventory"]
DELIVERED = "/etc/nginx/conf.d/00-websockets.delivered.example.pem"
DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def restored(bookworm: Gateway) -> Iterator[None]:
    with as_deployed(bookworm, inventories=VAULTED):
        yield


def valid(first: datetime.timedelta, last: datetime.timedelta) -> str:
    """A certificate of the delivered key, from so long to so long after now, and the key."""
    key_text = (CERTIFICATES / "delivered.key").read_text()
    key: Any = serialization.load_pem_private_key(key_text.encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "delivered.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + first)
        .not_valid_after(now + last)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode() + key_text


@contextmanager
def with_file(gateway: Gateway, content: str | None, *, live: bool) -> Iterator[None]:
    """Another file of the certificate, that nginx has loaded where it is live."""
    file = gateway.path(DELIVERED)
    before = file.read_bytes()
    try:
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        if live:
            gateway.reload()
        yield
    finally:
        file.write_bytes(before)
        file.chmod(0o600)
        gateway.reload()


def red(bookworm: Gateway, folder: Path) -> list[str]:
    run, report = verify(
        [bookworm], folder, "--limit", bookworm.name, inventories=VAULTED, websockets_verify_address=False
    )
    assert run.failed == bool(titles(report)), run.output
    return titles(report)


def test_a_certificate_that_was_renewed_and_not_loaded_is_red_until_nginx_reloads(
    bookworm: Gateway, tmp_path: Path
) -> None:
    assert red(bookworm, tmp_path) == []
    with with_file(bookworm, valid(-DAY, 90 * DAY), live=False):
        (title,) = red(bookworm, tmp_path)
        assert title == f"The certificate of delivered.example is not the one that nginx presents on {bookworm.name}"
        bookworm.reload()
        assert red(bookworm, tmp_path) == []


def test_a_certificate_that_clients_reject_is_red(bookworm: Gateway, tmp_path: Path) -> None:
    with with_file(bookworm, valid(-90 * DAY, -DAY), live=True):
        assert red(bookworm, tmp_path) == ["The certificate of delivered.example has expired"]
    with with_file(bookworm, valid(DAY, 90 * DAY), live=True):
        assert red(bookworm, tmp_path) == ["The certificate of delivered.example is not valid yet"]


def test_a_certificate_without_its_file_is_red(bookworm: Gateway, tmp_path: Path) -> None:
    with with_file(bookworm, None, live=False):
        assert red(bookworm, tmp_path) == [f"The certificate of delivered.example has no file on {bookworm.name}"]
