# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that cannot be the gateway says why, and nothing is installed on it."""

from __future__ import annotations

import typing as t

import pytest
from gateway import Gateway
from playbook import Run, site
from waiting import wait_until

UPSTREAM = {"name": "ws-backend", "servers": ["127.0.0.1:9000"]}
LOCATION = {"path": "/", "upstream": "ws-backend"}
SITE = {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [LOCATION]}


def deploy(variables: t.Mapping[str, t.Any], *arguments: str) -> Run:
    return site(variables, arguments=["--limit", "gateway-bare", *arguments])


@pytest.mark.usefixtures("unchanged", "squatter_on_bare")
def test_a_port_that_is_taken_is_named_with_its_holder() -> None:
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]})
    assert run.failed
    assert "This host cannot become a gateway yet; nothing was changed:" in run.output
    assert "websockets_sites[0].listen: 3000 is in use by python3 (pid " in run.output


@pytest.mark.usefixtures("unchanged")
def test_every_name_that_does_not_resolve_is_named() -> None:
    upstream = {**UPSTREAM, "balance": "ip_hash", "servers": ["server01:3000", "server02:3000", "127.0.0.1:3001"]}
    run = deploy({"websockets_upstreams": [upstream], "websockets_sites": [SITE]})
    assert run.failed
    assert "websockets_upstreams[0].servers[0]: 'server01' does not resolve on this host" in run.output
    assert "websockets_upstreams[0].servers[1]: 'server02' does not resolve on this host" in run.output


@pytest.mark.usefixtures("unchanged")
def test_a_user_without_root_rights_is_told() -> None:
    # By podman, which asks for no login; and without pipelining, as some operators have it.
    podman = {"ansible_connection": "containers.podman.podman"}
    user = {"ansible_user": "nobody", "ansible_become": False, "ansible_remote_tmp": "/tmp/nobody", **podman}
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE], **user})
    assert run.failed
    assert "root rights are required to install and configure nginx" in run.output


@pytest.mark.usefixtures("unchanged")
def test_certificates_and_directories_that_are_missing_are_named_before_any_gateway_changes(serving: Gateway) -> None:
    before = serving.run("find /etc/nginx /var/lib/wsfleet-nginx -printf '%p %s %T@\\n' 2>/dev/null | sort; true")
    pair = {"ssl_certificate": "/etc/ssl/no.pem", "ssl_certificate_key": "/etc/ssl/no.key"}
    secure = {**SITE, **pair, "listen": "3000 ssl", "access_log": "/var/log/none/a.log"}
    # The first gateway has them.
    given = {"websockets_upstreams": [UPSTREAM], "websockets_serial": 1}
    sites = "{{ [secure] if inventory_hostname == 'gateway-bare' else [plain] }}"
    run = site({**given, "websockets_sites": sites, "secure": secure, "plain": SITE})
    assert run.failed
    for key in ("ssl_certificate: /etc/ssl/no.pem", "ssl_certificate_key: /etc/ssl/no.key"):
        assert f"websockets_sites[0].{key} cannot be read (No such file or directory)" in run.output
    assert "websockets_sites[0].access_log: the directory /var/log/none does not exist" in run.output
    after = serving.run("find /etc/nginx /var/lib/wsfleet-nginx -printf '%p %s %T@\\n' 2>/dev/null | sort; true")
    assert after == before


@pytest.fixture
def no_apt(bare: Gateway) -> t.Iterator[None]:
    bare.run("mv /usr/bin/apt-get /usr/bin/apt-get.away")
    yield
    bare.run("mv /usr/bin/apt-get.away /usr/bin/apt-get")


@pytest.mark.usefixtures("unchanged", "no_apt")
def test_a_host_without_apt_and_nginx_is_told_what_to_do() -> None:
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]})
    assert run.failed
    assert "nginx is not installed, and this host has neither apt nor dnf: install nginx yourself" in run.output


OTHER = """
events {}
pid /run/other.pid;
error_log /opt/other/error.log;
http {
    access_log off;
    client_body_temp_path /opt/other/1;
    proxy_temp_path /opt/other/2;
    fastcgi_temp_path /opt/other/3;
    uwsgi_temp_path /opt/other/4;
    scgi_temp_path /opt/other/5;
    server { listen 80; }
}
"""


@pytest.fixture
def other_nginx(bare: Gateway) -> t.Iterator[None]:
    """Debian's, but where no package puts one."""
    bare.run("mkdir --parents /opt/other && apt-get update && cd /opt/other && apt-get download nginx")
    bare.run("dpkg --extract /opt/other/nginx_*.deb /opt/other")
    bare.path("/opt/other/nginx.conf").write_text(OTHER)
    bare.run("/opt/other/usr/sbin/nginx -c /opt/other/nginx.conf")
    yield
    bare.run("kill $(cat /run/other.pid)")
    wait_until(lambda: not bare.listens(80), "the other nginx has ended")
    bare.run("rm -r /opt/other")


@pytest.mark.usefixtures("unchanged", "other_nginx")
def test_another_nginx_in_the_place_of_the_package_is_named() -> None:
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]})
    assert run.failed
    assert "nginx runs from /opt/other/usr/sbin/nginx (pid " in run.output
    assert "and this role would install another: stop that one and disable it, or have it on the PATH" in run.output


@pytest.fixture
def no_packages(bare: Gateway) -> t.Iterator[None]:
    """A host whose package sources have no nginx."""
    bare.run("mkdir /root/sources && mv /etc/apt/sources.list* /root/sources")
    bare.run("mv /var/lib/apt/lists /root/lists && mkdir /var/lib/apt/lists")
    yield
    bare.run("mv /root/sources/* /etc/apt && rmdir /root/sources")
    bare.run("rm -r /var/lib/apt/lists && mv /root/lists /var/lib/apt/lists")


@pytest.mark.usefixtures("unchanged", "no_packages")
def test_a_package_that_cannot_be_installed_is_named() -> None:
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]})
    assert run.failed
    assert "No package matching 'nginx' is available" in run.output


@pytest.mark.usefixtures("unchanged")
def test_check_mode_installs_nothing(bare: Gateway) -> None:
    # In check mode apt cannot fetch the lists that a new container lacks.
    bare.run("apt-get update")
    run = deploy({"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]}, "--check", "--diff")
    assert not run.failed, run.output
    assert "+    server_name ws.serverlab.ca;" in run.output
    assert "nginx is not installed yet, so it could not test the candidate" in run.output
