# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate is valid. Python reports it only for a verified one, and the probe of a route verifies none."""

from __future__ import annotations

import datetime
import hashlib
import re
import ssl
import typing as t
from pathlib import Path

# Tags of ASN.1 (X.690 section 8.1.2).
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x17, 0x18
# The version, which certificates of version 1 do not have (RFC 5280 section 4.1).
_VERSION = 0xA0
_DIGITS = re.compile(rb"(\d{2,4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
# RFC 7468 section 5.
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ISO = "%Y-%m-%dT%H:%M:%SZ"
# Time to renew it by hand.
RENEWAL_PERIOD = datetime.timedelta(days=14)
_SITES = 4


class _Element(t.NamedTuple):
    """One element of DER: its tag, and where its content starts and ends."""

    tag: int
    start: int
    end: int


class Presented(t.NamedTuple):
    """What a peer presents: times are ISO 8601 in UTC; None without a certificate, or with one that cannot be read."""

    expires: str | None = None
    valid_from: str | None = None
    # SHA-256.
    digest: str | None = None


NOTHING = Presented()


def presented(der: bytes | None) -> Presented:
    if not der:
        return NOTHING
    digest = hashlib.sha256(der).hexdigest()
    try:
        valid_from, expires = _validity(der)
    except (ValueError, IndexError):
        return Presented(digest=digest)
    return Presented(f"{expires.isoformat()}Z", f"{valid_from.isoformat()}Z", digest)


def digest_in(file: Path) -> str | None:
    """The digest of the certificate that nginx presents from a file, the first one; None without one."""
    found = _PEM.search(file.read_bytes())
    try:
        der = ssl.PEM_cert_to_DER_cert(found.group().decode("ascii")) if found else b""
    except ValueError:
        return None
    return hashlib.sha256(der).hexdigest() if der else None


def parse_time(expires: str) -> datetime.datetime:
    """A time that presented() returned, in UTC."""
    return datetime.datetime.strptime(expires, _ISO)


def warnings(certificates: t.Iterable[tuple[str, str | None]], now: datetime.datetime) -> list[str]:
    """A line for each certificate that has expired or soon does, given pairs of a site and when its own expires."""
    sites: dict[str, dict[str, None]] = {}
    for site, expires in certificates:
        if expires is not None and parse_time(expires) <= now + RENEWAL_PERIOD:
            sites.setdefault(expires, {})[site] = None
    return [_warning(list(names), expires, now) for expires, names in sorted(sites.items())]


def _warning(names: list[str], expires: str, now: datetime.datetime) -> str:
    more = f" and {len(names) - _SITES} more" if names[_SITES:] else ""
    subject = f"The certificate of {', '.join(names[:_SITES])}{more}"
    if parse_time(expires) <= now:
        return f"{subject} expired at {expires}: clients reject it"
    return f"{subject} expires at {expires}: renew it"


def _validity(der: bytes) -> tuple[datetime.datetime, datetime.datetime]:
    """RFC 5280 section 4.1: version, serial number, signature algorithm and issuer come before the validity."""
    certificate = _element(der, 0, _SEQUENCE)
    to_be_signed = _element(der, certificate.start, _SEQUENCE)
    field = _element(der, to_be_signed.start)
    if field.tag == _VERSION:
        field = _element(der, field.end)
    for _number in range(3):
        field = _element(der, field.end)
    if field.tag != _SEQUENCE:
        raise ValueError("the certificate has no validity")
    start = _element(der, field.start)
    end = _element(der, start.end)
    return _time(start.tag, der[start.start : start.end]), _time(end.tag, der[end.start : end.end])


def _element(der: bytes, at: int, tag: int | None = None) -> _Element:
    """X.690 section 8.1.3: a length below 128 is one byte; else that byte is the number of length bytes that follow."""
    if tag is not None and der[at] != tag:
        raise ValueError(f"missing element {tag:#x}")
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der):
        raise ValueError("the element is truncated")
    return _Element(der[at], start, start + length)


def _time(tag: int, content: bytes) -> datetime.datetime:
    """RFC 5280 section 4.1.2.5: UTCTime has two digits of the year, from 1950 to 2049, GeneralizedTime all four."""
    found = _DIGITS.fullmatch(content)
    if not found or len(content) != {_UTC_TIME: 13, _GENERALIZED_TIME: 15}.get(tag):
        raise ValueError("the time has a format that certificates may not use")
    year, month, day, hour, minute, second = (int(digits) for digits in found.groups())
    if tag == _UTC_TIME:
        year += 1900 if year >= 50 else 2000
    return datetime.datetime(year, month, day, hour, minute, second)
