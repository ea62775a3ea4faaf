# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade with packages that a test answers for: what is installed, kept, taken back, and left by a kill."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import exchange, upgrade
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.exchange import ExchangeError
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import PackageError
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.upgrade import Upgrade, UpgradeError
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes

BUILD = binary.Build("/usr/sbin/nginx", "1.26.3", None, Path("/etc/nginx/nginx.conf"), None, None)


class Killed(BaseException):
    """The run is killed."""


class Host:
    """Its packages, and which version runs."""

    def __init__(self) -> None:
        self.version = self.running = "1"
        self.newest, self.bad = "2", ""
        self.interrupted = False
        self.held_back = 0
        self.dies_at = ""
        self.fails_at = ""
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.dies_at:
            raise Killed
        if name == self.fails_at:
            raise PackageError(f"E: {name}")

    # The package manager.

    def installed(self) -> dict[str, str]:
        return {"nginx": self.version, "nginx-common": self.version}

    def fetch(self, version: str | None) -> None:
        self.step("fetch")

    def pending(self, version: str | None) -> dict[str, str]:
        if self.interrupted:
            raise PackageError("E: dpkg was interrupted")
        wanted = version or self.newest
        return dict.fromkeys(self.installed(), wanted) if wanted != self.version else {}

    def keep(self, directory: Path) -> None:
        self.step("keep")
        (directory / "nginx.deb").write_text(self.version)

    def upgrade(self, version: str | None) -> None:
        assert self.held_back
        assert not self.interrupted
        self.version, self.interrupted = version or self.newest, True
        self.step("upgrade")
        self.interrupted = False

    def restore(self, packages: dict[str, str], directory: Path) -> None:
        assert self.held_back
        self.step("restore")
        self.version, self.interrupted = (directory / "nginx.deb").read_text(), False
        assert packages == self.installed()

    def complete(self) -> None:
        assert self.held_back
        self.step("complete")
        self.interrupted = False

    @contextlib.contextmanager
    def hold_back(self) -> t.Iterator[None]:
        self.held_back += 1
        try:
            yield
        finally:
            self.held_back -= 1

    # The exchange.

    def exchange(self, _build: binary.Build) -> exchange.Report:
        if self.running == self.version:
            return exchange.Report()
        self.step("exchange")
        if self.version == self.bad:
            raise ExchangeError("it does not start")
        self.running = self.version
        return exchange.Report(["exchanged"], [], 200)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host()
    monkeypatch.setattr(binary, "installed", lambda: BUILD)
    monkeypatch.setattr(processes, "masters", lambda: {1: "/usr/sbin/nginx"})
    monkeypatch.setattr(exchange, "run", found.exchange)
    monkeypatch.setattr(exchange, "obstacle", lambda _build: "")
    monkeypatch.setattr(exchange, "needed_for", lambda _build: [] if found.running == found.version else ["nginx"])
    return found


@pytest.fixture
def run(host: Host, tmp_path: Path) -> t.Callable[..., upgrade.Report | None]:
    def run(version: str | None = None) -> upgrade.Report | None:
        planned = Upgrade(host, version, tmp_path / "kept")
        planned.fetch()
        plan = planned.plan()
        report = planned.run(plan)
        return report if plan.is_needed else None

    return run


Run = t.Callable[..., "upgrade.Report | None"]


def test_a_new_version_is_installed_and_taken_over(host: Host, run: Run, tmp_path: Path) -> None:
    report = run()
    assert report
    assert report.actions == ["installed nginx, nginx-common 1 -> 2", "exchanged"]
    assert (report.before["nginx"], report.after["nginx"], report.kept) == ("1", "2", 200)
    assert host.steps == ["fetch", "keep", "upgrade", "exchange"]
    assert list(tmp_path.iterdir()) == []
    assert run() is None


def test_without_a_new_version_a_replaced_binary_is_exchanged(host: Host, run: Run) -> None:
    host.version = host.newest
    report = run()
    assert report
    assert report.actions == ["exchanged"]


def test_a_version_that_fails_is_taken_back(host: Host, run: Run, tmp_path: Path) -> None:
    host.bad = "2"
    with pytest.raises(
        UpgradeError, match=r"it does not start\nLive now: the earlier version. Packages are back: "
    ) as e:
        run()
    assert e.value.rolled_back
    assert (host.version, host.running) == ("1", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_package_manager_that_fails_leaves_the_earlier_packages(host: Host, run: Run) -> None:
    host.fails_at = "upgrade"
    with pytest.raises(UpgradeError, match="E: upgrade\nLive now: the earlier version"):
        run()
    assert (host.version, host.interrupted) == ("1", False)


def test_without_a_copy_of_the_packages_nothing_is_installed(host: Host, run: Run) -> None:
    host.fails_at = "keep"
    with pytest.raises(UpgradeError, match="what was live before this run") as caught:
        run()
    assert not caught.value.rolled_back
    assert "upgrade" not in host.steps


def test_packages_that_cannot_be_put_back_are_said_to_be_so(host: Host, run: Run, tmp_path: Path) -> None:
    host.bad, host.fails_at = "2", "restore"
    with pytest.raises(UpgradeError, match="the earlier binary, but its packages could not be put back: E: restore"):
        run()
    # The next run has the same way back.
    assert (tmp_path / "kept" / "packages.json").exists()


@pytest.mark.parametrize("bad", ["", "2"])
@pytest.mark.parametrize("dies_at", ["fetch", "keep", "upgrade", "exchange", "restore"])
def test_what_a_killed_run_leaves_is_completed_or_taken_back_by_the_next(
    host: Host, run: Run, tmp_path: Path, dies_at: str, bad: str
) -> None:
    host.bad, host.dies_at = bad, dies_at
    with contextlib.suppress(Killed):
        run()
    host.dies_at = ""
    if bad:
        with pytest.raises(UpgradeError, match="it does not start"):
            run()
    else:
        run()
    assert host.version == host.running == ("1" if bad else "2")
    assert not host.interrupted
    assert list(tmp_path.iterdir()) == []


def test_the_copy_of_a_killed_run_goes_although_there_is_nothing_to_do(host: Host, run: Run, tmp_path: Path) -> None:
    host.dies_at = "keep"
    with pytest.raises(Killed):
        run()
    assert list(tmp_path.iterdir()) != []
    host.dies_at = ""
    assert run("1") is None
    assert list(tmp_path.iterdir()) == []


def test_what_dpkg_cannot_complete_begins_again_with_the_earlier_packages(host: Host, run: Run) -> None:
    host.dies_at = "upgrade"
    with pytest.raises(Killed):
        run()
    host.dies_at, host.fails_at = "", "complete"
    run()
    assert host.steps[-4:] == ["complete", "restore", "upgrade", "exchange"]


def test_an_nginx_that_cannot_exchange_its_binary_is_left_alone(
    host: Host, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "obstacle", lambda _build: "it runs with `daemon off`")
    with pytest.raises(UpgradeError, match="`daemon off`; nothing was changed"):
        run()
    assert host.steps == ["fetch"]


def test_check_mode_says_what_it_would_do(host: Host, tmp_path: Path) -> None:
    actions = ["would install nginx, nginx-common 1 -> 2", "would exchange the running nginx for the installed one"]
    assert Upgrade(host, None, tmp_path / "kept").plan().actions() == actions
    host.version = host.running = "2"
    assert Upgrade(host, None, tmp_path / "kept").plan().actions() == []


def test_packages_with_the_same_versions_are_named_together() -> None:
    before, after = {"a": "1", "b": "1", "c": "1", "d": "5"}, {"a": "2", "b": "2", "c": "3", "d": "5", "e": "1"}
    assert upgrade.changes(before, after) == ["a, b 1 -> 2", "c 1 -> 3", "e none -> 1"]


def test_a_host_without_a_known_package_manager_is_refused() -> None:
    with pytest.raises(UpgradeError, match="neither apt nor dnf"):
        upgrade.manager(None)
    assert {type(upgrade.manager(name)).__name__ for name in ("dnf", "dnf5")} == {"Dnf"}
