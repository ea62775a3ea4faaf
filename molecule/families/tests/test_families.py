# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway of RHEL's family or Ubuntu is deployed, verified, rolled back and removed as one of Debian."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployment import as_deployed, contents
from gateway import Gateway, gateways
from playbook import PROJECT, Run, site

ALL = {gateway.name: gateway for gateway in gateways()}
ROCKY, OCCUPIED = ALL["gateway-rocky"], ALL["gateway-occupied"]
RHEL = (ROCKY, OCCUPIED)
PACKAGES = "rpm --query --all --queryformat '%{NAME}\\n' | sort"
RECORD = "/var/lib/wsfleet-websockets.packages"


def unlike(run: Run, state: str) -> dict[str, str]:
    """The gateways that are not in this state after a run."""
    assert not run.failed, run.output
    return {name: found for name, found in run.states.items() if found != state} if run.states else {"all": "unknown"}


def test_dnf_installed_nginx_where_it_was_missing_and_what_is_new_is_recorded() -> None:
    assert ROCKY.path(RECORD).read_text().split() == ["nginx", "nginx-core", "nginx-filesystem"]
    assert not OCCUPIED.path(RECORD).exists()
    assert "/usr/sbin/nginx" in ROCKY.run("rpm --query --list nginx-core")


def test_a_websocket_passes(gateway: Gateway) -> None:
    assert gateway.echoes()
    assert gateway.site("ws.example", 3000).echoes()


def test_the_workers_run_as_the_user_of_the_package(gateway: Gateway) -> None:
    user = "nginx" if gateway in RHEL else "www-data"
    assert {gateway.run(f"stat --format %U /proc/{worker}").strip() for worker in gateway.workers()} == {user}


def test_backends_are_verified_by_the_cas_of_the_host(gateway: Gateway) -> None:
    path = "/etc/pki/tls/certs/ca-bundle.crt" if gateway in RHEL else "/etc/ssl/certs/ca-certificates.crt"
    assert f"proxy_ssl_trusted_certificate {path};" in gateway.path(gateway.configuration).read_text()
    assert gateway.path(path).exists()


def test_the_unit_of_the_package_takes_the_drop_in(gateway: Gateway) -> None:
    shown = gateway.run("systemctl show nginx --property LimitNOFILESoft,KillMode,FragmentPath,PIDFile")
    assert "KillMode=control-group" in shown
    assert "LimitNOFILESoft=1024" not in shown
    assert "PIDFile=/run/nginx.pid" in shown


def test_verify_finds_nothing_and_a_change_can_be_rolled_back() -> None:
    verified = site({"websockets_verify_address": False}, playbook="wsfleet.nginx.verify")
    assert not verified.failed, verified.output
    before = {name: contents(gateway) for name, gateway in ALL.items()}
    with as_deployed(*ALL.values()):
        assert unlike(site({"websockets_worker_shutdown_timeout": "2h"}), "changed") == {}
        assert {name: contents(gateway) != before[name] for name, gateway in ALL.items()} == dict.fromkeys(ALL, True)
        assert unlike(site({}, playbook="wsfleet.nginx.rollback"), "changed") == {}
        assert {name: contents(gateway) for name, gateway in ALL.items()} == before
        assert all(gateway.echoes() for gateway in ALL.values())


@contextmanager
def needing_directories() -> Iterator[None]:
    """Somebody else installs a package that needs one which the role installed, and takes both away at the end."""
    ROCKY.run("dnf --assumeyes --quiet install php-fpm")
    try:
        yield
    finally:
        ROCKY.run("rpm --erase php-fpm && rpm --erase nginx-filesystem")


def test_what_the_role_installed_goes_and_nothing_else() -> None:
    own = OCCUPIED.path("/etc/nginx/nginx.conf").parent / "conf.d/their-own.conf"
    text = own.read_text()
    with as_deployed(*ALL.values()), needing_directories():
        assert unlike(site({"websockets_state": "absent"}), "removed") == {}
        assert ROCKY.run(PACKAGES).split() == ["nginx-filesystem", "php-fpm", "rocky-release"]
        assert not ROCKY.path(RECORD).exists()
        assert ROCKY.run("find /etc/nginx -type f; find /etc/systemd/system -name 'nginx*'") == ""
        assert "nginx-core" in OCCUPIED.run(PACKAGES).split()
        assert [path.name for path in own.parent.iterdir()] == [own.name]
        assert own.read_text() == text
        assert OCCUPIED.site("any", 8088).request("GET", "/").body == b"their own"
        assert not any(ALL[name].path("/etc/nginx").exists() for name in ("gateway-jammy", "gateway-noble"))


def test_the_exporter_is_refused_before_anything_changes() -> None:
    before = ROCKY.run(PACKAGES)
    run = site({}, playbook=str(PROJECT / "molecule/families/exporter.yml"), arguments=["--limit", ROCKY.name])
    assert run.failed
    assert "The role exporter installs Debian's prometheus-nginx-exporter" in run.message(ROCKY.name)
    assert ROCKY.run(PACKAGES) == before
    assert run.changed(ROCKY.name) == 0
