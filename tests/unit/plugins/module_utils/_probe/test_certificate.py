# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates end, against ones that the cryptography package makes and reads."""

from __future__ import annotations

import datetime
import ssl
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

FIRST = datetime.datetime(1950, 1, 1)
LAST = datetime.datetime(9999, 12, 31, 23, 59, 59)
NOW = datetime.datetime(2026, 11, 21, 12)
KEY = ec.generate_private_key(ec.SECP256R1())


def made(end: datetime.datetime, key: t.Any = KEY, names: int = 1, serial: int = 1) -> bytes:
    """A certificate in DER, of the version that cryptography makes, 3."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "n" * 60)] * names)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(f"{number}.example") for number in range(names)])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(FIRST)
        .not_valid_after(end)
        .add_extension(alternatives, critical=False)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.DER)


@settings(max_examples=200, deadline=None)
@given(
    end=st.datetimes(FIRST, LAST).map(lambda time: time.replace(microsecond=0)),
    names=st.integers(1, 200),
    serial=st.integers(1, 2**158),
)
def test_the_expiry_of_any_certificate_is_read(end: datetime.datetime, names: int, serial: int) -> None:
    assert certificate.presented(made(end, names=names, serial=serial)).expires == f"{end.isoformat()}Z"


@pytest.mark.parametrize(
    ("end", "tag"),
    [
        (datetime.datetime(1950, 1, 1, 0, 0, 0), 0x17),
        (datetime.datetime(1999, 12, 31, 23, 59, 59), 0x17),
        (datetime.datetime(2000, 1, 1, 0, 0, 0), 0x17),
        (datetime.datetime(2049, 12, 31, 23, 59, 59), 0x17),
        (datetime.datetime(2050, 1, 1, 0, 0, 0), 0x18),
        # RFC 5280 section 4.1.2.5: no end.
        (LAST, 0x18),
    ],
)
def test_both_forms_of_a_time_are_read(end: datetime.datetime, tag: int) -> None:
    der = made(end)
    digits = end.strftime("%Y%m%d%H%M%SZ").encode()
    content = digits[2:] if tag == 0x17 else digits
    assert bytes([tag, len(content)]) + content in der
    assert certificate.presented(der).expires == end.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_large_key_changes_nothing() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    assert certificate.presented(made(NOW, key)).expires == "2026-11-21T12:00:00Z"


def test_a_certificate_of_version_1_is_read() -> None:
    """It has no version: without that and the extensions the rest is in the same places."""
    der = made(NOW)
    version = bytes.fromhex("a003020102")
    at = der.index(version)
    shorter = len(der) - 4 - len(version)
    to_be_signed = int.from_bytes(der[6:8], "big") - len(version)
    assert (der[:2], der[4:6]) == (b"\x30\x82", b"\x30\x82")
    changed = b"\x30\x82" + shorter.to_bytes(2, "big") + b"\x30\x82" + to_be_signed.to_bytes(2, "big")
    assert certificate.presented(changed + der[8:at] + der[at + len(version) :]).expires == "2026-11-21T12:00:00Z"


def test_without_a_certificate_there_is_no_expiry() -> None:
    assert certificate.presented(None).expires is None
    assert certificate.presented(b"").expires is None


@given(st.binary(max_size=200))
def test_any_bytes_have_an_expiry_or_none(data: bytes) -> None:
    assert certificate.presented(data).expires is None


# Signatures differ in their length.
DER = made(NOW)


@settings(max_examples=300)
@given(at=st.integers(0, len(DER) - 1), value=st.integers(0, 255))
def test_a_damaged_certificate_has_an_expiry_or_none(at: int, value: int) -> None:
    der = bytearray(DER)
    der[at] = value
    found = certificate.presented(bytes(der)).expires
    assert found is None or datetime.datetime.strptime(found, "%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("time", [b"2611211200Z", b"261121120000+0100", b"261321120000Z", b"26112112000 Z"])
def test_a_time_in_an_invalid_format_is_no_expiry(time: bytes) -> None:
    der = made(NOW)
    end = der.index(b"\x17\x0d261121120000Z")
    validity = der.rindex(b"\x30\x1e", 0, end)
    changed = der[: validity + 1] + bytes([0x1E - 13 + len(time)]) + der[validity + 2 : end + 1]
    assert certificate.presented(changed + bytes([len(time)]) + time + der[end + 15 :]).expires is None


def iso(**from_now: int) -> str:
    return f"{(NOW + datetime.timedelta(**from_now)).isoformat()}Z"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (iso(days=15), None),
        (iso(days=14, seconds=1), None),
        (iso(days=14), f"The certificate of a.example expires at {iso(days=14)}: renew it"),
        (iso(seconds=1), f"The certificate of a.example expires at {iso(seconds=1)}: renew it"),
        (iso(), f"The certificate of a.example expired at {iso()}: clients reject it"),
        (iso(days=-9), f"The certificate of a.example expired at {iso(days=-9)}: clients reject it"),
        ("9999-12-31T23:59:59Z", None),
        (None, None),
    ],
)
def test_a_warning_is_given_two_weeks_before_a_certificate_expires(end: str | None, said: str | None) -> None:
    assert certificate.warnings([("a.example", end)], NOW) == ([said] if said else [])


def test_each_certificate_has_one_warning_with_its_sites() -> None:
    shown = [("a.example", iso(days=2)), ("b.example", iso(days=1)), ("a.example", iso(days=2)), ("c.example", None)]
    shown += [(f"{number}.example", iso(days=2)) for number in range(5)]
    assert certificate.warnings(shown, NOW) == [
        f"The certificate of b.example expires at {iso(days=1)}: renew it",
        f"The certificate of a.example, 0.example, 1.example, 2.example and 2 more expires at {iso(days=2)}: renew it",
    ]


def test_the_certificate_of_a_file_is_its_first_one(tmp_path: Path) -> None:
    first, second = made(NOW), made(NOW, serial=2)
    pem = [ssl.DER_cert_to_PEM_cert(der) for der in (first, second)]
    file = tmp_path / "a.pem"
    file.write_text("".join(["a comment\n", *pem]))
    assert certificate.digest_in(file) == certificate.presented(first).digest != certificate.presented(second).digest
    assert certificate.presented(first).valid_from == "1950-01-01T00:00:00Z"
    for content in ("", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n", pem[0][:-40]):
        file.write_text(content)
        assert certificate.digest_in(file) is None
