# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's packages, as apt, dpkg, dnf and rpm print them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import apt, package_manager
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.apt import Apt
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.dnf import Dnf
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import PackageError
from waiting import wait_until

DPKG = """\
nginx\t1.22.1-9+deb12u9\tnginx\tok installed
nginx-common\t1.22.1-9+deb12u9\tnginx\tok half-configured
libnginx-mod-http-lua\t1:0.10.23-1\tlibnginx-mod-http-lua\tok installed
libnginx-mod-http-geoip\t1.22.1-9+deb12u9\tnginx\tok config-files
libssl3\t3.0.11-1\topenssl\tok installed
"""
SIMULATED = """\
Inst libssl3 [3.0.11-1] (3.0.17-1 Debian-Security:12/stable-security [amd64])
Inst nginx [1.22.1-9+deb12u9] (1.22.1-9+deb12u11 Debian-Security:12/stable-security [amd64]) []
Inst nginx-common [1.22.1-9+deb12u9] (1.22.1-9+deb12u11 Debian-Security:12/stable-security [all])
Conf nginx (1.22.1-9+deb12u11 Debian-Security:12/stable-security [amd64])
"""
RPM = """\
nginx\t1.20.1-14.el9\tnginx-1.20.1-14.el9.src.rpm
nginx-core\t1.20.1-14.el9\tnginx-1.20.1-14.el9.src.rpm
nginx-mod-brotli\t1.0-1.el9\tnginx-mod-brotli-1.0-1.el9.src.rpm
nginx-exporter\t1.0-1\tnginx-exporter-1.0-1.src.rpm
glibc\t2.34-1\tglibc-2.34-1.src.rpm
"""
AVAILABLE = "nginx\t1.20.1-16.el9\n\nnginx-core\t1.20.1-16.el9\n\n"


CONFIGURED = DPKG.replace("half-configured", "installed")


class Commands:
    """Answers for commands by the start of their line, and has all of them."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.lines = answers, list[str]()

    def __call__(self, command: list[str]) -> str:
        self.lines.append(" ".join(command))
        return next((answer for name, answer in self.answers.items() if name in command[0].replace("-", "_")), "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Commands]:
    def commands(**answers: str) -> Commands:
        found = Commands(**answers)
        monkeypatch.setattr(package_manager, "run", found)
        return found

    return commands


def test_packages_of_nginx_are_those_of_its_source_and_modules(commands: t.Callable[..., Commands]) -> None:
    commands(dpkg_query=DPKG, rpm=RPM)
    assert Apt().installed() == {
        "nginx": "1.22.1-9+deb12u9",
        "nginx-common": "1.22.1-9+deb12u9",
        "libnginx-mod-http-lua": "1:0.10.23-1",
    }
    assert Dnf().installed() == {
        "nginx": "1.20.1-14.el9",
        "nginx-core": "1.20.1-14.el9",
        "nginx-mod-brotli": "1.0-1.el9",
    }


def test_a_version_is_that_of_packages_of_the_source_alone(commands: t.Callable[..., Commands]) -> None:
    run = commands(dpkg_query=DPKG, rpm=RPM)
    Apt().upgrade("1.2")
    assert run.lines[-1].endswith(" nginx=1.2 nginx-common=1.2 libnginx-mod-http-lua")
    assert "--allow-downgrades" in run.lines[-1]
    # Else apt would remove a module that does not fit the new nginx.
    assert "--no-remove" in run.lines[-1]
    Dnf().upgrade("1.2-1")
    assert run.lines[-1] == "dnf --assumeyes --quiet install nginx-1.2-1 nginx-core-1.2-1 nginx-mod-brotli"
    Dnf().upgrade(None)
    assert run.lines[-1] == "dnf --assumeyes --quiet upgrade nginx nginx-core nginx-mod-brotli"


def test_what_an_upgrade_would_install_is_known_before(commands: t.Callable[..., Commands]) -> None:
    run = commands(dpkg_query=DPKG, apt_get=SIMULATED, rpm=RPM, dnf=AVAILABLE)
    assert Apt().pending(None) == dict.fromkeys(["nginx", "nginx-common"], "1.22.1-9+deb12u11")
    assert "--simulate" in run.lines[-1]
    assert "--allow-downgrades" not in run.lines[-1]
    assert Dnf().pending(None) == dict.fromkeys(["nginx", "nginx-core"], "1.20.1-16.el9")


@pytest.mark.parametrize("state", ["reinstreq half-installed", "ok half-installed", "ok half-configured"])
def test_what_dpkg_cannot_complete_is_not_taken_for_installed(commands: t.Callable[..., Commands], state: str) -> None:
    """apt says of a package that was killed while it was unpacked that it is the newest version."""
    run = commands(dpkg_query=CONFIGURED)
    Apt().complete()
    assert run.lines[0].startswith("dpkg --configure ")
    commands(dpkg_query=CONFIGURED.replace("ok installed", state, 1))
    with pytest.raises(PackageError, match=r"^dpkg cannot complete nginx: see `dpkg --audit`$"):
        Apt().complete()


def test_without_a_way_back_rpms_are_not_upgraded(commands: t.Callable[..., Commands], tmp_path: Path) -> None:
    commands(rpm=RPM, dnf=AVAILABLE)
    with pytest.raises(PackageError, match="installed version of nginx-mod-brotli, so there would be no way back"):
        Dnf().keep(tmp_path)


def test_rpms_go_back_where_they_differ(commands: t.Callable[..., Commands], tmp_path: Path) -> None:
    run = commands(rpm=RPM)
    Dnf().restore({**Dnf().installed(), "nginx": "1.20.1-13.el9"}, tmp_path)
    assert run.lines[-1] == "dnf --assumeyes --quiet downgrade nginx-1.20.1-13.el9"


def test_a_file_that_the_administrator_changed_is_not_packed(
    commands: t.Callable[..., Commands], tmp_path: Path
) -> None:
    own, changed = tmp_path / "own", tmp_path / "changed"
    own.write_text("as packaged")
    changed.write_text("by the administrator")
    md5 = hashlib.md5(own.read_bytes()).hexdigest()
    commands(dpkg_query=f" {own} {md5}\n {changed} {md5}\n {tmp_path}/gone {md5} obsolete\n")
    assert apt._conffiles("nginx", unchanged=True) == [str(own)]
    assert apt._conffiles("nginx", unchanged=False) == [str(changed), f"{tmp_path}/gone"]


def test_a_diverted_file_is_packed_from_where_it_is(commands: t.Callable[..., Commands]) -> None:
    commands(
        dpkg_query="/.\n/usr\n/usr/sbin/nginx\nlocally diverted to: /usr/sbin/nginx.real\n"
        "/usr/a\ndiverted by other to: /usr/a.b\n"
    )
    assert apt._files("nginx") == {"/usr": "/usr", "/usr/sbin/nginx": "/usr/sbin/nginx.real", "/usr/a": "/usr/a.b"}


def test_the_control_file_has_what_is_no_state_of_the_host() -> None:
    status = "Package: nginx\nStatus: install ok installed\nConffiles:\n /etc/a 1\n /etc/b 2\nDescription: a\n b\n"
    assert apt._without(status, apt._OF_STATUS) == "Package: nginx\nDescription: a\n b\n"


class Policy:
    """A host's policy-rc.d."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def allows(self, *arguments: str, in_upgrade: bool = True) -> int:
        environment = {package_manager.HELD_BACK: "1"} if in_upgrade else {}
        return subprocess.run([self.path, *arguments], check=False, env=environment).returncode


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    monkeypatch.setattr(apt, "POLICY", tmp_path / "policy-rc.d")
    return Policy(tmp_path / "policy-rc.d")


def test_scripts_of_packages_do_not_restart_nginx_during_an_upgrade(policy: Policy) -> None:
    with Apt().hold_back():
        assert policy.allows("nginx.service", "restart") == 101
        # invoke-rc.d of nginx's own script.
        assert policy.allows("nginx", "upgrade") == 101
        assert policy.allows("cron.service", "restart") == 0
        # Others who use apt meanwhile, or after a run that was killed.
        assert policy.allows("nginx.service", "restart", in_upgrade=False) == 0
    assert not policy.path.exists()


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_policy_of_somebody_else_holds_meanwhile_and_is_back_after_it(policy: Policy, is_killed: bool) -> None:
    theirs = "#!/bin/sh\nexit 42\n"
    policy.path.write_text(theirs)
    policy.path.chmod(0o755)
    if is_killed:
        held = Apt().hold_back()
        held.__enter__()
    with Apt().hold_back():
        assert policy.allows("nginx.service", "restart") == 101
        assert policy.allows("cron.service", "restart") == 42
        assert policy.allows("nginx.service", "restart", in_upgrade=False) == 42
    assert policy.path.read_text() == theirs
    assert [path.name for path in policy.path.parent.iterdir()] == ["policy-rc.d"]


@pytest.mark.parametrize(
    "printed",
    [
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt)",
        "dpkg: error: dpkg frontend lock was locked by another process with pid 1",
        "dpkg: error: dpkg frontend lock was locked by <unknown> process with pid 1",
        "dpkg: error: dpkg database lock was locked by apt-get process with pid 1",
    ],
)
def test_a_lock_of_the_package_manager_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    program = tmp_path / "apt-get"
    program.write_text(
        f"#!/bin/sh\n[ ! -e {tmp_path}/tried ] || {{ echo $DEBIAN_FRONTEND; exit 0; }}\ntouch {tmp_path}/tried\n"
        f"echo '{printed}' >&2\nexit 100\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(package_manager, "_POLL_SECONDS", 0.01)
    assert package_manager.run([str(program), "install"]) == "noninteractive\n"


def test_a_package_manager_goes_on_where_the_upgrade_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "apt-get"
    program.write_text(f"#!/bin/sh\nset -e\nkill -KILL $PPID\necho Unpacking\ntouch {tmp_path}/unpacked\n")
    program.chmod(0o755)
    upgrade = f"from {package_manager.__name__} import run; run([{str(program)!r}])"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", upgrade], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    wait_until((tmp_path / "unpacked").exists, "the package manager has ended")


def test_the_errors_of_a_package_manager_are_its_message(tmp_path: Path) -> None:
    program = tmp_path / "apt-get"
    program.write_text("#!/bin/sh\necho Reading\necho \"E: Version '9' for 'nginx' was not found\" >&2\nexit 100\n")
    program.chmod(0o755)
    with pytest.raises(PackageError, match=r"apt-get install' failed:\nE: Version '9' for 'nginx' was not found$"):
        package_manager.run([str(program), "install"])
    with pytest.raises(PackageError, match="does not start: No such file"):
        package_manager.run([str(tmp_path / "none")])
