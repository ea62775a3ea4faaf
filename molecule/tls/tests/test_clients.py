# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients with TLS see of each nginx: protocols, names, redirects, and who is let in."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from gateway import Answer, Gateway
from secure import ALERT, CERTIFICATES, ECHOED, first_record, messages, only, secured, verifying
from websockets.exceptions import InvalidStatus

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
HSTS = "max-age=63072000"
# Mozilla's guidelines 6.0, intermediate, for the keys that the two sites have.
SUITES = {
    "delivered.example": [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ],
    "backend.example": ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"],
}
OTHER_SUITES = [
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "DHE-RSA-AES128-GCM-SHA256",
]
NEW_GROUP = "X25519MLKEM768"
CLIENT = (CERTIFICATES / "gateway/client.pem", CERTIFICATES / "gateway/client.key")
STRANGER = (CERTIFICATES / "stranger.pem", CERTIFICATES / "gateway/client.key")


@pytest.fixture
def delivered(gateway: Gateway) -> Gateway:
    return gateway.site("delivered.example", 443)


@pytest.fixture
def modern(gateway: Gateway) -> Gateway:
    return gateway.site("modern.example", 8443)


@pytest.fixture
def members(gateway: Gateway) -> Gateway:
    return gateway.site("members.example", 443)


def get(
    site: Gateway,
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    *,
    certificate: tuple[Path, Path] | None = None,
) -> Answer:
    return site.request("GET", path, headers=headers, sock=secured(site, verifying(*certificate or ())))


def from_a_backend(answer: Answer) -> bool:
    return "X-Echo-Backend" in answer.headers


# The name and the CA are verified by each of these clients.


@pytest.mark.parametrize("at", [("delivered.example", 443), ("modern.example", 8443)], ids=lambda at: str(at[0]))
def test_a_websocket_opens_by_tls_and_echoes(gateway: Gateway, at: tuple[str, int]) -> None:
    assert messages(gateway.site(*at)) == ECHOED


def test_the_backend_hears_that_it_was_tls(delivered: Gateway) -> None:
    assert get(delivered).json["headers"]["x-forwarded-proto"] == ["https"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_intermediate_speaks_tls_1_2_and_1_3(delivered: Gateway, version: ssl.TLSVersion) -> None:
    with secured(delivered, only(version)) as sock:
        assert sock.version() == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_intermediate_refuses_tls_1_1(delivered: Gateway) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        secured(delivered, only(ssl.TLSVersion.TLSv1_1))


def test_modern_speaks_tls_1_3_alone(modern: Gateway) -> None:
    with secured(modern, only(ssl.TLSVersion.TLSv1_3)) as sock:
        assert sock.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        secured(modern, only(ssl.TLSVersion.TLSv1_2))


def test_modern_speaks_http_2_to_those_who_ask_for_it(modern: Gateway) -> None:
    context = verifying()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secured(modern, context) as sock:
        assert sock.selected_alpn_protocol() == "h2"


def test_with_tls_1_2_the_suites_are_mozillas_and_no_others(delivered: Gateway) -> None:
    for suite in SUITES["delivered.example"]:
        with secured(delivered, only(ssl.TLSVersion.TLSv1_2, suite)) as sock:
            assert suite in (sock.cipher() or ())
    for suite in OTHER_SUITES:
        with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
            secured(delivered, only(ssl.TLSVersion.TLSv1_2, f"{suite}:@SECLEVEL=0"))


def test_with_a_key_of_rsa_the_suites_are_mozillas_and_no_others(gateway: Gateway) -> None:
    site = gateway.site("balanced.example", 8444)
    header = b"PROXY UNKNOWN\r\n"
    for suite in SUITES["backend.example"]:
        with secured(site, only(ssl.TLSVersion.TLSv1_2, suite), header=header) as sock:
            assert suite in (sock.cipher() or ())
    for suite in OTHER_SUITES:
        with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
            secured(site, only(ssl.TLSVersion.TLSv1_2, f"{suite}:@SECLEVEL=0"), header=header)


def test_the_group_against_computers_that_are_to_come_is_there_where_openssl_has_it(delivered: Gateway) -> None:
    built = delivered.console.run("nginx -V").stderr
    # Where the two differ nginx names both.
    found = re.findall(r"(?:built|running) with OpenSSL (\d+)\.(\d+)", built)
    has_it = tuple(map(int, found[-1])) >= (3, 5)
    curves = set(re.findall(r"ssl_ecdh_curve (.*);", delivered.path(delivered.configuration).read_text()))
    assert curves == {f"{NEW_GROUP}:X25519:prime256v1:secp384r1" if has_it else "X25519:prime256v1:secp384r1"}
    if has_it:
        shown = delivered.run(
            "echo | openssl s_client -connect 127.0.0.1:443 -servername delivered.example -tls1_3 "
            f"-groups {NEW_GROUP} 2>&1 || true"
        )
        assert f"Negotiated TLS1.3 group: {NEW_GROUP}" in shown


def test_a_list_with_a_group_that_openssl_lacks_would_not_be_taken(gateway: Gateway) -> None:
    """Or else there were no need to ask which OpenSSL there is."""
    certificate = "ssl_certificate /etc/ssl/scenario/modern.pem; ssl_certificate_key /etc/ssl/scenario/modern.key;"
    server = f"listen 127.0.0.1:9 ssl; {certificate} ssl_ecdh_curve {NEW_GROUP}:X25519;"
    gateway.path("/run/group.conf").write_text(f"events {{}} http {{ server {{ {server} }} }}")
    taken = gateway.console.run("nginx -t -c /run/group.conf").rc == 0
    assert taken is (NEW_GROUP in gateway.path(gateway.configuration).read_text())


# Names.


@pytest.mark.parametrize("port", [443, 8443])
@pytest.mark.parametrize("name", ["unknown.example", None], ids=str)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_an_unknown_name_is_rejected_and_sees_no_certificate(
    gateway: Gateway, port: int, name: str | None, version: ssl.TLSVersion
) -> None:
    context = only(version)
    context.check_hostname = False
    answer = first_record(gateway.site("unknown.example", port), context, name)
    # One record, of two bytes, and no ServerHello or certificate before it.
    assert answer[0] == ALERT
    assert len(answer) == 7


def test_a_known_name_is_not_rejected(delivered: Gateway) -> None:
    """As the test above would see it."""
    assert first_record(delivered, only(ssl.TLSVersion.TLSv1_2), "delivered.example")[0] != ALERT


def test_another_host_under_a_known_name_is_misdirected(delivered: Gateway) -> None:
    answer = get(delivered, headers={"Host": "unknown.example"})
    assert answer.status == 421
    assert not from_a_backend(answer)


# Port 80.


@pytest.mark.parametrize("at", [("delivered.example", ""), ("modern.example", ":8443")], ids=lambda at: str(at[0]))
def test_browsers_are_sent_on_to_tls(gateway: Gateway, at: tuple[str, str]) -> None:
    name, port = at
    answer = gateway.site(name, 80).request("GET", "/a%20b/?x=1&y=%2F")
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{name}{port}/a%20b/?x=1&y=%2F"
    # RFC 6797 section 7.2.
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("at", [("delivered.example", ""), ("modern.example", ":8443")], ids=lambda at: str(at[0]))
def test_a_handshake_without_tls_is_refused_with_the_right_address(gateway: Gateway, at: tuple[str, str]) -> None:
    name, port = at
    answer = gateway.site(name, 80).request("GET", "/chat?room=1", headers=HANDSHAKE)
    assert answer.status == 403
    assert f"wss://{name}{port}/chat?room=1" in answer.body.decode()
    assert "Location" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers


# HSTS.


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/", 200, {}),
        ("/", 101, HANDSHAKE),
        ("/required/", 101, HANDSHAKE),
        ("/required/", 426, {}),
        ("/", 426, {**HANDSHAKE, "Sec-WebSocket-Version": "8"}),
        ("/", 403, {**HANDSHAKE, "Origin": "https://evil.example"}),
        ("/never/", 400, HANDSHAKE),
    ],
)
def test_every_answer_of_the_site_says_that_it_is_for_tls_alone(
    delivered: Gateway, path: str, status: int, headers: dict[str, str]
) -> None:
    answer = get(delivered, path, headers)
    assert answer.status == status
    assert answer.headers.get_all("Strict-Transport-Security") == [HSTS]


def test_a_site_that_did_not_ask_for_it_does_not_say_so(modern: Gateway) -> None:
    answer = get(modern)
    assert answer.status == 200
    assert "Strict-Transport-Security" not in answer.headers


# Client certificates.


def test_who_has_the_right_certificate_gets_in(members: Gateway) -> None:
    assert messages(members, certificate=CLIENT) == ECHOED


@pytest.mark.parametrize("certificate", [None, STRANGER], ids=["none", "of another CA"])
def test_who_has_none_or_another_does_not(members: Gateway, certificate: tuple[Path, Path] | None) -> None:
    for headers in ({}, HANDSHAKE):
        answer = get(members, "/", headers, certificate=certificate)
        assert answer.status == 400
        assert not from_a_backend(answer)


def test_who_asks_for_the_members_under_another_name_does_not_get_in(delivered: Gateway) -> None:
    answer = get(delivered, headers={"Host": "members.example"})
    assert answer.status in (400, 421)
    assert not from_a_backend(answer)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_a_session_of_another_site_does_not_open_the_one_for_members(
    delivered: Gateway, members: Gateway, version: ssl.TLSVersion
) -> None:
    """CVE-2025-23419."""
    context = only(version)
    for site, status in ((delivered, 200), (members, 400)):
        with secured(delivered, context) as first:
            # Tickets of TLS 1.3 come with the first answer.
            first.sendall(b"GET / HTTP/1.1\r\nHost: delivered.example\r\n\r\n")
            assert b" 200 " in first.recv(65536).splitlines()[0]
            again = secured(site, context, session=first.session)
        assert not again.session_reused
        assert site.request("GET", "/", sock=again).status == status


# Backends that speak TLS.


def test_a_backend_is_reached_by_tls_that_is_verified(gateway: Gateway) -> None:
    site = gateway.site("front.example", 8084)
    assert site.echoes("/")
    assert site.echoes("/unverified/")


@pytest.mark.parametrize("wrong", ["CA", "name"])
def test_a_backend_with_a_wrong_certificate_is_not_spoken_to(gateway: Gateway, wrong: str) -> None:
    site = gateway.site("front.example", 8084)
    with pytest.raises(InvalidStatus, match="502"):
        site.websocket(f"/wrong-{wrong}/")
    answer = site.request("GET", f"/wrong-{wrong}/")
    assert answer.status == 502
    assert not from_a_backend(answer)
