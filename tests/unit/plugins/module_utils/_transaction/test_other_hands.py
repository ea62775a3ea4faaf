# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others change in the files of a gateway is reported before it is replaced, and nothing else is."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Files
from transacting import Host, configuration, content, stand_in

# As Certbot 2.1 writes it: a line of its own for each directive, some in place of the server's.
CERTBOT = """
    listen 443 ssl; # managed by Certbot
    ssl_certificate /etc/letsencrypt/live/ws.example/fullchain.pem; # managed by Certbot
    ssl_certificate_key /etc/letsencrypt/live/ws.example/privkey.pem; # managed by Certbot
"""
CONF = "# {}\nworker_processes auto;\n{}events {{ worker_connections {}; }}\n"


class Edited(Host):
    """A host whose nginx.conf has limits, as a first deploy has left them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.unit = service.DROP_IN
        for version, connections in ((self.before, 768), (self.after, 8704), (self.next, 9000)):
            t.cast("dict[Path, t.Any]", version)[self.main] = content(CONF.format("nginx", "", connections))
        self.main.write_bytes(t.cast("atomic_files.Content", self.before[self.main]).data)
        self.deploy(self.after)

    def warned(self, wanted: Files, *, check: bool = False, is_previous: bool = False) -> list[str]:
        deal = self.transaction(wanted, is_previous=is_previous)
        return deal.warnings(check=check)

    def append(self, path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edited:
    stand_in(monkeypatch)
    return Edited(tmp_path)


def test_certbots_edit_is_reported_with_a_line_of_it_and_what_to_do_instead(host: Edited) -> None:
    host.append(host.conf, CERTBOT)
    what = "4 lines added, such as 'listen 443 ssl; # managed by Certbot'. Instead of `certbot --nginx`, use "
    what += "`certbot certonly`, and set ssl_certificate, ssl_certificate_key and redirect_http of the site."
    changed = f"{host.conf} was changed since the last deploy, and this run"
    for wanted in (host.after, host.next):
        assert host.warned(wanted, check=True) == [f"{changed} would replace it: {what}"]
        back = "The playbook rollback brings the replaced file back."
        assert host.warned(wanted) == [f"{changed} replaces it: {what} {back}"]
    assert host.warned(host.nothing) == [f"{changed} removes it: {what}"]
    host.deploy(host.after)
    assert host.warned(host.next) == []
    # It is as it was before that deploy.
    host.bring_back()
    assert b"managed by Certbot" in host.conf.read_bytes()
    assert host.warned(host.before) == []


def test_a_rollback_reports_what_it_replaces_too(host: Edited) -> None:
    host.append(host.conf, "# mine\nproxy_buffering off;\n")
    last = host.kept.last()
    assert last
    (found,) = host.warned({file.path: file.before for file in last.files}, is_previous=True)
    what = "2 lines added, such as 'proxy_buffering off;'. What should stay belongs in the variables."
    assert found == f"{host.conf} was changed since the last deploy, and this run replaces it: {what}"


def test_lines_that_were_removed_or_moved_are_reported_and_a_file_that_is_gone(host: Edited) -> None:
    lines = ["listen 80;", "allow all;", "allow all;", "x" * 200]
    host.deploy({**host.after, host.conf: configuration("\n".join(lines))})
    text = host.conf.read_text()

    def edited(given: str) -> str:
        host.conf.write_text(given)
        (found,) = host.warned(host.next)
        return found.partition("replaces it: ")[2].partition(". ")[0]

    assert edited(text.replace("allow all;\n", "", 1)) == "1 line removed, such as 'allow all;'"
    changed = edited(text.replace("allow all;", "deny all;"))
    assert changed == "2 lines added, 2 lines removed, such as 'deny all;'"
    assert edited("\n".join(reversed(text.splitlines()))) == "its lines are in another order"
    assert edited(text.replace("x" * 200, "")) == f"1 line added, 1 line removed, such as '{'x' * 100}...'"
    host.conf.unlink()
    gone = "was removed since the last deploy, and this run writes it."
    assert host.warned(host.next) == [f"{host.conf} {gone}"]


def test_what_may_be_secret_is_not_shown(host: Edited) -> None:
    host.key.write_text("another key\n")
    host.conf.chmod(0o640)
    host.append(host.conf, "token 1234;\n")
    found = host.warned(host.next)
    assert any(warning.startswith(f"{host.conf} ") and "replaces it: 1 line added. " in warning for warning in found)
    assert f"{host.key} was changed since the last deploy, and this run replaces it." in found
    assert "1234" not in str(found)
    assert "another" not in str(found)


def test_values_of_nginx_conf_that_another_role_has_set_are_reported_with_the_variable(host: Edited) -> None:
    host.main.write_text(CONF.format("another role", "worker_rlimit_nofile 4096;\n", 1024))
    (found,) = host.warned(host.after)
    what = "was changed since the last deploy, and this run sets worker_rlimit_nofile to its default (4096 now), "
    assert found.startswith(f"{host.main} {what}worker_connections to 8704 (1024 now). ")
    assert found.endswith("set websockets_manage_nginx_conf: false and have it set these values.")
    assert "this run would set" in host.warned(host.after, check=True)[0]
    # Whatever the variables of this run say.
    assert "worker_connections to 9000 (1024 now)" in host.warned(host.next)[0]
    host.deploy(host.after)
    # All else in that file is not ours.
    host.append(host.main, "# theirs\n")
    assert host.warned(host.after) == host.warned(host.next) == []


def test_a_drop_in_that_was_edited_is_reported_with_the_variable(host: Edited) -> None:
    host.deploy({**host.after, host.unit: content("[Service]\nLimitNOFILE=1:2\n")})
    host.append(host.unit, "Nice=5\n")
    (found,) = host.warned(host.after)
    assert "1 line added, such as 'Nice=5'. " in found
    assert found.endswith("set websockets_manage_service: false.")


@pytest.mark.parametrize("name", ["PACER", "PROGRAM", "EXCHANGE", "POLICY", "NEEDRESTART"])
def test_the_other_files_of_this_role_are_reported_without_what_is_in_them(
    host: Edited, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = host.main.with_name(name)
    monkeypatch.setattr(service, name, file)
    wanted = {**host.after, file: content("#!/bin/sh\n")}
    file.write_text("as a release before has left it")
    assert host.warned(wanted) == []
    host.deploy(wanted)
    assert host.warned({**wanted, file: content("#!/bin/false\n")}) == []
    host.append(file, "exit 0\n")
    assert host.warned(wanted) == [f"{file} was changed since the last deploy, and this run replaces it."]
    file.unlink()
    assert host.warned(wanted) == [f"{file} was removed since the last deploy, and this run writes it."]
    # A deploy that leaves the file alone, as where it cannot be written, forgets nothing.
    host.deploy(host.next)
    file.write_text("exit 0\n")
    assert host.warned({**host.next, file: None}) == [
        f"{file} was changed since the last deploy, and this run removes it."
    ]


def test_what_a_killed_deploy_or_another_configuration_has_left_is_our_own(host: Edited) -> None:
    host.begin(host.next)
    assert host.warned(host.after) == []
    other = journal.Journal("127.0.0.1:489", host.kept.directory)
    other.begin([atomic_files.Change(host.main, None, None, content(CONF.format("other", "", 5000)))])
    host.roll_back()
    host.main.write_text(CONF.format("other", "", 5000))
    assert host.warned(host.next) == []
    other.discard()
    assert len(host.warned(host.next)) == 1
    other.set_shared(journal.Shared({"worker_processes": "auto", "worker_connections": "5000"}))
    assert host.warned(host.next) == []


def test_an_edit_that_a_killed_deploy_has_found_is_reported_by_the_next_one(host: Edited) -> None:
    host.append(host.conf, CERTBOT)
    before = host.now
    host.begin(host.next)
    for path, given in before.items():
        if given:
            atomic_files.write(path, given)
    assert [warning for warning in host.warned(host.next) if warning.startswith(str(host.conf))]


def test_nothing_is_reported_of_what_an_earlier_release_has_left(host: Edited) -> None:
    """Release 0.7.0 did not record it."""
    host.kept.set_deployed(host.kept.deployed()._replace(left={}, secrets={}))
    (host.kept.directory / "shared").unlink()
    host.append(host.conf, CERTBOT)
    host.main.write_text(CONF.format("another role", "", 1024))
    assert host.warned(host.next) == []
