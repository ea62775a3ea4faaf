# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that others renew: nginx is reloaded where it has not loaded them, and only there."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import loaded_files
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.plan import Takeover
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import Transaction
from transacting import Host, stand_in

BUILD = binary.Build("nginx", "1.22.1", None, Path("/etc/nginx/nginx.conf"), None, None)


def changed(build: binary.Build | None, loaded: t.Mapping[str, str]) -> list[str]:
    now = loaded_files.digests(loaded)
    return loaded_files.changed(build, loaded, {path: now.get(path) for path in loaded})


class Certbot(Host):
    """A host whose certificate is a link, as Certbot makes it, to one of several versions."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.certificate = root / "live.pem"
        self.loaded_at = 0.0
        monkeypatch.setattr(processes, "loaded_at", lambda _build: self.loaded_at)
        self.renew(1)
        self.reload()

    def renew(self, number: int) -> None:
        version = self.root / f"archive{number}.pem"
        version.write_text(f"certificate {number}")
        self.certificate.unlink(missing_ok=True)
        self.certificate.symlink_to(version)

    def reload(self) -> None:
        super().reload()
        # Files and processes have clocks of their own, which differ by ticks.
        self.loaded_at = time.time() + 1

    def load_long_ago(self) -> None:
        """Before any file here was written."""
        self.loaded_at = 1

    def transaction(self, wanted: t.Any, **options: t.Any) -> Transaction:
        made = super().transaction(wanted, **options)
        goal = replace(made.plan.goal, loads=[str(self.certificate)])
        return Transaction(replace(BUILD, configuration=self.main), goal, self.kept, self.root)

    @property
    def reported(self) -> list[str]:
        return changed(BUILD, self.kept.deployed().loaded)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certbot:
    stand_in(monkeypatch)
    host = Certbot(tmp_path, monkeypatch)
    host.deploy(host.after)
    return host


def test_a_renewed_certificate_is_loaded_by_the_next_run_and_by_no_other(host: Certbot) -> None:
    assert (host.is_called_ok(host.after), host.reported) == (True, [])
    host.load_long_ago()
    assert (host.is_called_ok(host.after), host.reported) == (True, [])
    host.renew(2)
    assert host.reported == [str(host.certificate)]
    plan = host.transaction(host.after).plan
    assert (plan.is_needed, plan.takeover) == (True, Takeover.RELOAD)
    assert plan.actions() == [f"reloaded nginx, as {host.certificate} changed"]
    host.deploy(host.after)
    assert (host.is_called_ok(host.after), host.reported) == (True, [])
    assert host.kept.last()


def test_a_certificate_that_somebody_else_had_nginx_load_is_loaded(host: Certbot) -> None:
    host.renew(2)
    host.reload()
    assert (host.is_called_ok(host.after), host.reported) == (True, [])
    # What is recorded is what is loaded.
    host.deploy(host.after)
    host.load_long_ago()
    assert (host.is_called_ok(host.after), host.reported) == (True, [])


def test_a_link_that_leads_to_an_earlier_certificate_again_is_a_change(host: Certbot) -> None:
    host.renew(2)
    host.deploy(host.after)
    loaded = time.time()
    while host.certificate.lstat().st_ctime <= loaded:
        host.certificate.unlink()
        host.certificate.symlink_to(host.root / "archive1.pem")
    host.loaded_at = loaded
    assert (host.is_called_ok(host.after), host.reported) == (False, [str(host.certificate)])


def test_a_certificate_that_is_gone_is_one_that_nginx_could_not_load_again(host: Certbot) -> None:
    host.certificate.unlink()
    assert (host.is_called_ok(host.after), host.reported) == (False, [str(host.certificate)])


def test_the_first_run_after_an_upgrade_records_what_nginx_has_loaded_without_a_reload(host: Certbot) -> None:
    """Release 0.7.0 recorded none."""
    host.kept.set_deployed(host.kept.deployed()._replace(loaded={}))
    assert (host.is_called_ok(host.after), host.reported) == (True, [])
    host.deploy(host.after)
    assert host.kept.deployed().loaded == loaded_files.digests([str(host.certificate)])
    host.kept.set_deployed(host.kept.deployed()._replace(loaded={}))
    host.load_long_ago()
    assert not host.is_called_ok(host.after)


def test_where_nginx_does_not_run_it_has_loaded_nothing_and_is_started(
    host: Certbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "loaded_at", lambda _build: None)
    host.renew(2)
    assert host.reported == []
    assert changed(None, {"/a": "b"}) == []
