# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the module needs no nginx: the rest is verified by the scenarios of Molecule."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, goal, journal, transaction
from ansible_collections.wsfleet.nginx.plugins.modules import config_transaction
from running import run

ROOT = Path("/etc/nginx")
CONF, PEM = ROOT / "conf.d" / "00-websockets.conf", ROOT / "conf.d" / ".00-websockets.a.example.pem"
BUILD = binary.Build("nginx", "1.22.1", None, ROOT / "nginx.conf", None, None)
LINES = ["-----BEGIN PRIVATE KEY-----", "MC4CAQAwBQYDK2VwBCIEIKs", "-----END PRIVATE KEY-----"]
KEY = "\n".join(LINES) + "\n"

# The module up to where it would look at the host, with what it writes to the system's log.
PROGRAM = """
import contextlib, sys
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.modules import config_transaction

def log(self, message, log_args=None):
    print(message, log_args, file=sys.stderr)

def run(module, scratch):
    secrets = config_transaction.secret_files(module, config_transaction.own_files(module))
    said = [content.data.decode() for content in secrets.values()]
    module.exit_json(actions=[f"wrote {path}" for path in secrets], said=said)

AnsibleModule.log = log
config_transaction.lock.locked = lambda: contextlib.nullcontext()
config_transaction.run = run
config_transaction.main()
"""


def run_module(tmp_path: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """The result, and everything that was printed or logged."""
    done = run(tmp_path, ["-c", PROGRAM], {"live_address": "127.0.0.1:488", **options})
    return json.loads(done.stdout), done.stdout + done.stderr


def content(text: str, mode: int = 0o600) -> atomic_files.Content:
    return atomic_files.Content(text.encode(), mode)


def test_the_content_of_a_secret_is_in_no_result_and_no_log_and_its_path_is(tmp_path: Path) -> None:
    secrets = [{"path": str(PEM), "content": KEY, "at": "websockets_sites[0].ssl_certificate"}]
    result, printed = run_module(tmp_path, files=[{"path": str(CONF), "content": "# a\n"}], secrets=secrets)
    assert "MC4CAQ" not in printed
    assert "Invoked with" in printed
    assert result["actions"] == [f"wrote {PEM}"]
    (shown,) = result["invocation"]["module_args"]["secrets"]
    assert (shown["path"], shown["at"]) == (str(PEM), "websockets_sites[0].ssl_certificate")
    assert len(result["said"]) == 1


def test_a_file_that_is_listed_as_a_secret_too_is_refused(tmp_path: Path) -> None:
    own = [{"path": str(PEM), "content": "# a\n"}]
    secret = {"path": f"{CONF.parent}/../conf.d/{PEM.name}", "content": KEY}
    for listed in ({"files": own, "secrets": [secret]}, {"files": [], "secrets": [secret, secret]}):
        result, _printed = run_module(tmp_path, **listed)
        assert (result["failed"], result["msg"]) == (True, f"{PEM} is listed more than once")


def test_a_change_of_a_secret_is_shown_as_one_without_its_content() -> None:
    def shown(before: str | None, after: str | None) -> tuple[str, str]:
        given = [text if text is None else content(text) for text in (before, after)]
        diff = config_transaction.shown(atomic_files.Change(PEM, given[0], *given), hidden=True)
        assert (diff["before_header"], diff["after_header"]) == (str(PEM), str(PEM))
        return diff["before"], diff["after"]

    for before, after in ((None, KEY), (KEY, f"{KEY}#"), (KEY, None)):
        texts = shown(before, after)
        assert texts[0] != texts[1]
        assert not any(line in text for line in LINES for text in texts)
        assert [not text for text in texts] == [before is None, after is None]


def test_the_files_before_a_deploy_are_told_apart() -> None:
    now = {ROOT / "nginx.conf": content("now"), service.DROP_IN: None}
    before = {CONF: content("conf"), PEM: content(KEY), **now}
    files = [journal.FileEntry(path, given, [journal.digest(given)], path == PEM) for path, given in before.items()]
    entry = journal.Entry(files, "", [], [])
    own, secrets, beside = config_transaction.previous_files(BUILD, entry)
    assert (own, secrets, beside) == ({CONF: content("conf")}, {PEM: content(KEY)}, {})


def test_what_is_recorded_of_a_configuration_is_recorded_with_it_and_comes_back_with_a_rollback(tmp_path: Path) -> None:
    """The sockets too: where nginx was killed, a rollback has to start it."""
    listening = [{"address": "80", "at": "a"}, {"address": "unix:/run/a.sock", "at": "b"}]
    drained = [{"name": "chat1", "address": "10.0.0.1:80"}]
    given: Any = SimpleNamespace(params={"listening": listening, "drained": drained})
    recorded = config_transaction.recorded(given, None)
    assert recorded == ({"80": "a", "unix:/run/a.sock": "b"}, ["/run/a.sock"], drained)
    kept = journal.Journal("127.0.0.1:488", tmp_path / "kept")
    build = replace(BUILD, configuration=tmp_path / "nginx.conf")
    own = {tmp_path / "a.conf": content("# a\n")}
    atomic_files.write(tmp_path / "a.conf", content("# a\n"))
    wanted = goal.Goal(own, {}, "127.0.0.1:1", {}, {}, False, *recorded)
    transaction.Transaction(build, wanted, kept, tmp_path).settle(journal.Deployed([], []))
    assert (kept.deployed().drained, kept.deployed().sockets) == (drained, ("/run/a.sock",))
    kept.begin([])
    kept.commit()
    assert config_transaction.recorded(given, kept.last()) == ({}, ["/run/a.sock"], drained)
