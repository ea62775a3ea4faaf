# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys of certificates: delivered, renewed, brought back and removed, and their keys seen nowhere."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography import x509
from deployment import as_deployed
from gateway import Gateway, group_variables
from playbook import INVENTORIES, Run, site
from secure import CERTIFICATES, ECHOED, EPHEMERAL, messages, secured, verifying

SITES = group_variables()["websockets_sites"]
VAULTED = [*INVENTORIES, EPHEMERAL / "inventory"]
CONF_D = "/etc/nginx/conf.d"
DELIVERED = f"{CONF_D}/.00-websockets.delivered.example.pem"
MEMBERS = f"{CONF_D}/.00-websockets.members.example.pem"
# Of Ansible's modules and of nginx.
LOGS = "journalctl --no-pager --output=export; cat /var/log/syslog /var/log/messages /var/log/nginx/*"


def text(name: str) -> str:
    return (CERTIFICATES / name).read_text()


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text(name).encode())


def chain(name: str) -> str:
    return text(f"{name}.pem") + text("intermediate.pem")


def end_of(found: x509.Certificate) -> str:
    return found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(pem: str) -> list[str]:
    """Each line of the base64 in a text."""
    return [line for line in pem.splitlines() if not line.startswith("-----")]


SECRETS = lines(text("delivered.key"))
OLD, NEW = certificate("delivered.pem"), certificate("renewed.pem")
# One of the two sites that have the certificate gets another one.
RENEWED = {"websockets_sites": [*SITES[:2], {**SITES[2], "ssl_certificate": chain("renewed")}, *SITES[3:]]}


def deploy(
    bookworm: Gateway, variables: Mapping[str, Any], *arguments: str, playbook: str = "wsfleet.nginx.site"
) -> Run:
    return site(
        variables,
        inventories=VAULTED,
        arguments=["--limit", bookworm.name, *arguments],
        playbook=playbook,
    )


def contents(bookworm: Gateway) -> dict[str, bytes]:
    """Every file of nginx."""
    directory = bookworm.path("/etc/nginx")
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {f"/etc/nginx/{path.relative_to(directory)}": path.read_bytes() for path in files}


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> set[str]:
    return {path for path in {**before, **after} if before.get(path) != after.get(path)}


@pytest.fixture(autouse=True)
def restored(bookworm: Gateway) -> Iterator[None]:
    with as_deployed(bookworm, inventories=VAULTED):
        yield


@pytest.fixture
def delivered(bookworm: Gateway) -> Gateway:
    return bookworm.site("delivered.example", 443)


def shown(site: Gateway) -> x509.Certificate:
    """The certificate that a new client sees."""
    with secured(site, verifying()) as sock:
        return x509.load_der_x509_certificate(sock.getpeercert(binary_form=True) or b"")


def is_roots_alone(gateway: Gateway, path: str) -> bool:
    found = gateway.path(path).stat()
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, 0o600)


def squeezed(output: str) -> str:
    """A text that may have been wrapped."""
    return " ".join(output.split())


def test_the_file_has_chain_and_key_and_is_roots_alone(gateway: Gateway) -> None:
    for path in (DELIVERED, MEMBERS):
        assert is_roots_alone(gateway, path)
        assert gateway.path(path).read_text() == chain("delivered") + text("delivered.key")


def test_before_anything_changes_nginx_refuses_a_key_that_does_not_fit(bookworm: Gateway) -> None:
    before, fingerprint = contents(bookworm), bookworm.fingerprint
    run = deploy(bookworm, {"vault_key": text("strangers.key")}, "--diff")
    assert run.failed
    message = run.message(bookworm.name)
    assert "nginx rejects the new configuration; nothing was changed:" in message
    assert "websockets_sites[2]" in message
    assert not [line for line in lines(text("strangers.key")) if line in run.output]
    assert contents(bookworm) == before
    assert bookworm.fingerprint == fingerprint


def test_no_network_is_trusted_as_a_whole_and_no_address_speaks_by_two_policies(bookworm: Gateway) -> None:
    sites = [
        {**SITES[0], "set_real_ip_from": ["0.0.0.0/0"]},
        {**SITES[1], "set_real_ip_from": ["::/0"]},
        SITES[2],
        {**SITES[3], "listen": "443 ssl", "http2": False},
    ]
    run = deploy(bookworm, {"websockets_sites": sites})
    assert run.failed
    assert "websockets_sites[0].set_real_ip_from" in run.output
    assert "websockets_sites[1].set_real_ip_from" in run.output
    assert "websockets_sites[3].listen: 443 has ssl_policy modern, but intermediate in websockets_sites[2]" in squeezed(
        run.output
    )


def test_a_new_route_to_a_backend_with_a_wrong_certificate_is_told_and_undone(bookworm: Gateway) -> None:
    front = SITES[-1]
    new = [
        {**{key: value for key, value in route.items() if key != "probe"}, "path": f"/new{route['path']}"}
        for route in front["locations"]
        if route["path"] in ("/wrong-CA/", "/wrong-name/")
    ]
    before = contents(bookworm)
    run = deploy(bookworm, {"websockets_sites": [*SITES[:-1], {**front, "locations": [*front["locations"], *new]}]})
    assert run.failed
    message = run.message(bookworm.name)
    assert message.startswith("Rolled back: 2 of 12 routes failed their probes."), message
    for number, wrong in ((4, "CA"), (5, "name")):
        place = f"websockets_sites[6].locations[{number}] (front.example /new/wrong-{wrong}/)"
        assert f"{place}: returned 502 Bad Gateway" in message
    assert contents(bookworm) == before


def test_a_renewal_changes_one_file_once_and_its_key_is_seen_nowhere(bookworm: Gateway, delivered: Gateway) -> None:
    before = contents(bookworm)
    assert shown(delivered).serial_number == OLD.serial_number
    runs: list[Run] = []
    # A WebSocket stays open.
    assert messages(delivered, meanwhile=lambda: runs.append(deploy(bookworm, RENEWED, "-vvv", "--diff"))) == ECHOED
    (run,) = runs
    assert not run.failed, run.output
    assert shown(delivered).serial_number == NEW.serial_number
    assert changed(before, contents(bookworm)) == {DELIVERED}
    assert is_roots_alone(bookworm, DELIVERED)
    assert run.changed(bookworm.name) == 1

    # It did tell what it does, and show what changes.
    assert '"live_address": ' in run.output
    assert f"--- before: {DELIVERED}" in run.output
    assert "not shown: another certificate and its key" in run.output
    logged = bookworm.console.run(LOGS).stdout_bytes.decode(errors="replace")
    assert "Invoked with" in logged
    for secret in (*SECRETS, *lines(text("renewed.pem"))):
        assert secret not in run.output
        assert secret not in logged

    # When the certificates end is told with each probe over TLS.
    told = re.findall(r"expires[\"']?: [\"']?(\d[0-9TZ:-]+)", run.output)
    ends = {end_of(found) for found in (OLD, NEW, certificate("gateway/modern.pem"))}
    assert set(told) == ends
    assert f"The certificate of delivered.example expires at {end_of(NEW)}: renew it" in squeezed(run.output)
    assert "The certificate of members.example" not in squeezed(run.output)

    # A second run changes nothing and warns again.
    again = deploy(bookworm, RENEWED)
    assert not again.failed, again.output
    assert again.changed(bookworm.name) == 0
    assert "The certificate of delivered.example expires at" in squeezed(again.output)


def test_a_rollback_brings_the_old_certificate_back(bookworm: Gateway, delivered: Gateway) -> None:
    renewed = deploy(bookworm, RENEWED)
    assert not renewed.failed, renewed.output
    before = contents(bookworm)
    run = deploy(bookworm, {}, "-vvv", "--diff", playbook="wsfleet.nginx.rollback")
    assert not run.failed, run.output
    assert changed(before, contents(bookworm)) == {DELIVERED}
    assert shown(delivered).serial_number == OLD.serial_number
    assert not [secret for secret in SECRETS if secret in run.output]
    assert is_roots_alone(bookworm, DELIVERED)


def test_a_site_that_goes_takes_its_file_along(bookworm: Gateway) -> None:
    run = deploy(bookworm, {"websockets_sites": [*SITES[:2], *SITES[3:]]}, "--diff")
    assert not run.failed, run.output
    assert not bookworm.path(DELIVERED).exists()
    assert bookworm.path(MEMBERS).exists()
    assert not [secret for secret in SECRETS if secret in run.output]


@pytest.fixture
def theirs(bookworm: Gateway) -> Iterator[None]:
    """A file of somebody else's, so that nginx stays."""
    path = bookworm.path(f"{CONF_D}/theirs.conf")
    path.touch()
    yield
    path.unlink()


@pytest.mark.usefixtures("theirs")
def test_without_the_role_no_key_is_left(bookworm: Gateway) -> None:
    run = deploy(bookworm, {"websockets_state": "absent"}, "-vvv", "--diff")
    assert not run.failed, run.output
    assert not [secret for secret in SECRETS if secret in run.output]
    left = ["grep", "--recursive", "--files-with-matches", "--", SECRETS[0], "/etc", "/var", "/run", "/tmp", "/root"]
    assert bookworm.console.run(" ".join(left)).stdout == ""
