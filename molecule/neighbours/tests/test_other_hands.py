# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others change in the gateway's files and certificates: reported before it is replaced, or loaded."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import pytest
from deployment import NGINX_CONF
from gateway import Gateway, gateways, group_variables
from playbook import Run, site

SITES = group_variables()["websockets_sites"]
# As Certbot 2.1 writes it into the server block with the name. Its own files are those of the scenario.
CERTBOT = """
    listen 443 ssl; # managed by Certbot
    ssl_certificate /etc/ssl/certs/gateway.pem; # managed by Certbot
    ssl_certificate_key /etc/ssl/private/gateway.pem; # managed by Certbot
"""
CERTIFICATE, KEY = SITES[1]["ssl_certificate"], SITES[1]["ssl_certificate_key"]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the scenario's own configuration behind."""
    yield
    succeeded(site({}))


def succeeded(run: Run) -> Run:
    assert not run.failed, run.output
    return run


def words(run: Run) -> str:
    """The output, however its lines are broken."""
    return " ".join(succeeded(run).output.split())


def changes(run: Run) -> int:
    return sum(run.changed(gateway.name) for gateway in gateways())


def test_an_edit_by_certbot_is_reported_before_it_is_replaced_and_a_rollback_brings_it_back() -> None:
    name = f"    server_name {SITES[0]['server_name']};\n"
    for gateway in gateways():
        path = gateway.path(gateway.configuration)
        assert name in path.read_text()
        path.write_text(path.read_text().replace(name, name + CERTBOT))
        gateway.run("nginx -t")
        gateway.reload()
    certbot = (
        "4 lines added, such as 'listen 443 ssl; # managed by Certbot'. Instead of `certbot --nginx`, use `certbot "
    )
    certbot += "certonly`, and set ssl_certificate, ssl_certificate_key and redirect_http of the site."
    checked, replaced = words(site({}, arguments=["--check"])), words(site({}))
    again = words(site({}))
    for gateway in gateways():
        changed = f"{gateway.configuration} was changed since the last deploy, and this run"
        assert f"{changed} would replace it: {certbot}" in checked
        assert f"{changed} replaces it: {certbot} The playbook rollback brings the replaced file back." in replaced
        assert changed not in again
        assert "Certbot" not in gateway.path(gateway.configuration).read_text()
    succeeded(site({}, playbook="wsfleet.nginx.rollback"))
    for gateway in gateways():
        assert "managed by Certbot" in gateway.path(gateway.configuration).read_text()


def test_another_role_that_writes_nginx_conf_is_reported_with_what_to_set() -> None:
    """As geerlingguy.nginx does at every run, from a template of its own."""
    for gateway in gateways():
        path = gateway.path(NGINX_CONF)
        text = re.sub(r"worker_connections +\d+;", "worker_connections 1024;", path.read_text())
        path.write_text(re.sub(r" *worker_(?:rlimit_nofile|shutdown_timeout) .*\n", "", text))
    replaced, again = words(site({})), words(site({}))
    for gateway in gateways():
        connections = re.search(r"worker_connections (\d+);", gateway.path(NGINX_CONF).read_text())
        assert connections
        assert f"worker_connections to {connections[1]} (1024 now)" in replaced
    what = f"{NGINX_CONF} was changed since the last deploy, and this run sets worker_rlimit_nofile to "
    assert replaced.count(what) >= 1
    assert "set websockets_manage_nginx_conf: false and have it set these values." in replaced
    assert "was changed since the last deploy" not in again


def test_a_certificate_that_was_renewed_on_the_disk_is_loaded_by_the_next_run_unless_it_is_loaded() -> None:
    before = {gateway: served(gateway) for gateway in gateways()}
    for gateway in gateways():
        renew(gateway)
        assert served(gateway) == before[gateway]
    assert f"reloaded nginx, as {CERTIFICATE} changed" in words(site({}))
    renewed = {gateway: served(gateway) for gateway in gateways()}
    assert not set(renewed.values()) & set(before.values())
    assert changes(succeeded(site({}))) == 0
    for gateway in gateways():
        renew(gateway)
        # As by a hook of Certbot.
        gateway.reload()
        assert served(gateway) != renewed[gateway]
    assert changes(succeeded(site({}))) == 0


def renew(gateway: Gateway) -> None:
    gateway.run(f"openssl req -x509 -key {KEY} -days 3 -subj /CN=gateway -out {CERTIFICATE}")


def served(gateway: Gateway) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with gateway.open_socket(443) as sock, context.wrap_socket(sock, server_hostname=SITES[1]["server_name"]) as secure:
        return secure.getpeercert(binary_form=True) or b""
