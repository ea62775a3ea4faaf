# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that nobody runs a playbook for: by apt, and restarts by needrestart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployment import as_deployed
from gateway import Gateway, gateways
from package_versions import BROKEN, GOOD, OTHER, PACKAGES, add_versions, remove_versions
from playbook import site
from traffic import Traffic
from waiting import wait_until

GATEWAYS = gateways()
POLICY = "/usr/sbin/policy-rc.d"


def apt(gateway: Gateway, version: str) -> str:
    wanted = " ".join(f"{name}={version}" for name in PACKAGES)
    return gateway.run(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --allow-downgrades {wanted} 2>&1")


def journal(gateway: Gateway) -> str:
    return gateway.run("journalctl --unit wsfleet-exchange --output cat --no-pager --lines 20")


def has_ended(gateway: Gateway) -> bool:
    """Whether the exchange that an upgrade has started is done, with success or without."""
    state = gateway.run("systemctl show --property ActiveState --value wsfleet-exchange").strip()
    return state in ("inactive", "failed")


def runs_what_is_installed(gateway: Gateway) -> bool:
    return bool(gateway.console.run("cmp /proc/$(cat /run/nginx.pid)/exe /usr/sbin/nginx").rc == 0)


def wait_for_exchange(gateway: Gateway) -> None:
    wait_until(lambda: has_ended(gateway) and runs_what_is_installed(gateway), "the installed nginx runs")


@pytest.fixture(scope="module")
def versions() -> Iterator[dict[str, str]]:
    """What was installed before, with others in the archive; and again at the end."""
    found = {gateway.name: add_versions(gateway) for gateway in GATEWAYS}
    try:
        yield found
    finally:
        for gateway in GATEWAYS:
            apt(gateway, found[gateway.name])
            wait_for_exchange(gateway)
            remove_versions(gateway)


def test_an_upgrade_by_apt_and_a_restart_by_needrestart_exchange_the_binary(
    versions: dict[str, str], clients: Traffic
) -> None:
    assert clients.number
    for gateway in GATEWAYS:
        master = gateway.master
        said = apt(gateway, versions[gateway.name] + GOOD)
        assert "nginx is not restarted, its binary is exchanged" in said
        wait_for_exchange(gateway)
        assert gateway.master != master
        # systemd knows it.
        assert gateway.run("systemctl show --property MainPID --value nginx").strip() == str(gateway.master)

        gateway.run("DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 needrestart")
        # Written with the next deploy after needrestart was installed.
        assert not site({}, arguments=["--limit", gateway.name]).failed
        gateway.run("cp /usr/sbin/nginx /usr/sbin/nginx.new; echo >> /usr/sbin/nginx.new")
        gateway.run("mv /usr/sbin/nginx.new /usr/sbin/nginx")
        master = gateway.master
        gateway.run("needrestart -r a -q 2>&1")
        wait_for_exchange(gateway)
        assert gateway.master != master
        gateway.run("apt-get purge --yes --quiet=2 needrestart")


@pytest.mark.usefixtures("clients")
def test_a_new_binary_that_fails_fails_no_upgrade_and_leaves_the_earlier_one_in_service(
    versions: dict[str, str],
) -> None:
    for gateway in GATEWAYS:
        master = gateway.master
        apt(gateway, versions[gateway.name] + BROKEN)
        wait_until(lambda: has_ended(gateway), "the exchange has ended")  # noqa: B023
        assert "the installed nginx did not start; the earlier one serves as before" in journal(gateway)
        assert gateway.master == master
        assert gateway.run("dpkg --audit") == ""
        assert gateway.echoes()
        apt(gateway, versions[gateway.name])
        wait_for_exchange(gateway)


@pytest.mark.usefixtures("clients")
def test_a_deferred_upgrade_is_shown_by_verify(versions: dict[str, str]) -> None:
    with as_deployed(*GATEWAYS):
        assert not site({"websockets_guard_upgrades": "defer"}).failed
        for gateway in GATEWAYS:
            master = gateway.master
            assert "nginx is not restarted: run the playbook wsfleet.nginx.upgrade" in apt(
                gateway, versions[gateway.name] + OTHER
            )
            assert gateway.master == master
        shown = site({"websockets_guard_upgrades": "defer"}, playbook="wsfleet.nginx.verify").output
        for gateway in GATEWAYS:
            before = versions[gateway.name]
            assert f"{gateway.name}: nginx {before} runs, {before}{OTHER} is installed" in " ".join(shown.split())


def test_a_policy_of_somebody_else_stays_and_the_operator_is_told() -> None:
    gateway, *_others = GATEWAYS
    theirs = "#!/bin/sh\nexit 101\n"

    def deploy() -> str:
        run = site({}, arguments=["--limit", gateway.name])
        assert not run.failed, run.output
        return " ".join(run.output.split())

    gateway.path(POLICY).write_text(theirs)
    try:
        assert f"{POLICY} is of somebody else, and stays as it is" in deploy()
        assert gateway.path(POLICY).read_text() == theirs
    finally:
        gateway.path(POLICY).unlink()
    # Without it the next upgrade would restart nginx.
    assert f"wrote {POLICY}" in deploy()
