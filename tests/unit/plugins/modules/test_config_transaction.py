# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the module needs no nginx: the rest is verified by the scenarios of Molecule."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import pacer_unit, program, requirements
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober_unit, record
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, package, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    deploy,
    goal,
    journal,
    live_config,
    transaction,
)
from ansible_collections.wsfleet.nginx.plugins.modules import config_transaction
from running import run
from transacting import ADDRESS, Host, configuration, stand_in

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


def test_warnings_are_part_of_every_result_and_not_ansibles_own(tmp_path: Path) -> None:
    program = PROGRAM.replace("    secrets =", "    module.warn('look')\n    module.{end}\n    secrets =", 1)
    for end in ("exit_json(changed=True)", "fail_json(msg='why')"):
        done = run(tmp_path, ["-c", program.replace("{end}", end)], {"live_address": "127.0.0.1:488", "files": []})
        result = json.loads(done.stdout)
        assert result["notices"] == ["look"]
        assert "warnings" not in result


def test_check_mode_says_what_it_would_write_where_nginx_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "find_binary", lambda: None)
    ended: dict[str, Any] = {}

    class Ended(Exception):
        pass

    def exit_json(**result: Any) -> None:
        ended.update(result)
        raise Ended

    listed = {"path": str(tmp_path / "a.conf"), "content": "# a\n", "state": "present", "mode": "0644"}
    params = {"files": [listed], "secrets": [], "live_address": "127.0.0.1:1", "probes": [], "policy": "rollback"}
    module: Any = SimpleNamespace(
        params={**params, "state": "present"}, check_mode=True, exit_json=exit_json, warn=lambda message: None
    )
    with pytest.raises(Ended):
        config_transaction.run(module, tmp_path)
    assert ended["actions"] == [f"would write {tmp_path / 'a.conf'}"]


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


def test_a_rollback_of_the_first_deploy_leads_to_the_file_whose_place_it_took(tmp_path: Path) -> None:
    theirs = tmp_path / "chat"
    files = [journal.FileEntry(CONF, None, ["a"]), journal.FileEntry(theirs, content("1"), [None], is_replaced=True)]
    entry = journal.Entry(files, "", [], [])
    own, _secrets, beside = config_transaction.previous_files(BUILD, entry)
    assert (own, beside) == ({CONF: None}, {theirs: content("1")})
    # Somebody has written another one since.
    theirs.write_text("2")
    with pytest.raises(transaction.TransactionError, match="nothing to roll back to"):
        config_transaction.previous_files(BUILD, entry)


def test_what_is_recorded_of_a_configuration_is_recorded_with_it_and_comes_back_with_a_rollback(tmp_path: Path) -> None:
    """The sockets too: where nginx was killed, a rollback has to start it."""
    listening = [{"address": "80", "at": "a"}, {"address": "unix:/run/a.sock", "at": "b"}]
    drained = [{"name": "chat1", "address": "10.0.0.1:80"}]
    atomic_files.write(tmp_path / "a.pem", content(KEY))
    loads = [str(tmp_path / "a.pem")]
    wants: dict[str, Any] = {
        "nginx_conf": None,
        "drop_in": {"sockets": 100, "stop_timeout": "5s", "log": None, **NOT_PACED},
    }
    of_host = {"nginx_conf": {"state": "checked"}, "drop_in": {**wants["drop_in"], "state": "present", "at": "a"}}
    serves = ("127.0.0.1:80 a.example",)
    params = {"listening": listening, "drained": drained, "loads": loads, "serves": serves, "log": None, **of_host}
    given: Any = SimpleNamespace(params=params)
    kept = journal.Journal("127.0.0.1:488", tmp_path / "kept")
    recorded: tuple[Any, ...] = config_transaction.recorded(given, kept, None)
    assert recorded == ({"80": "a", "unix:/run/a.sock": "b"}, ["/run/a.sock"], drained, loads, wants, serves)
    build = replace(BUILD, configuration=tmp_path / "nginx.conf")
    own = {tmp_path / "a.conf": content("# a\n")}
    atomic_files.write(tmp_path / "a.conf", content("# a\n"))
    wanted = goal.Goal(own, {}, "127.0.0.1:1", {}, {}, False, *recorded)
    transaction.Transaction(build, wanted, kept, tmp_path).settle(journal.Deployed([], []))
    assert (kept.deployed().drained, kept.deployed().sockets) == (drained, ("/run/a.sock",))
    kept.begin([])
    kept.commit()
    earlier: tuple[Any, ...] = config_transaction.recorded(given, kept, kept.last())
    assert earlier == ({}, ["/run/a.sock"], drained, loads, wants, serves)


NAME = "127.0.0.1:488"
FINGERPRINT = "0123456789abcdef" * 4


@pytest.fixture
def kept(tmp_path: Path) -> journal.Journal:
    kept = journal.Journal(NAME, tmp_path / "kept")
    kept.begin([atomic_files.Change(CONF, content("1"), content("1"), content("2"))])
    kept.commit()
    return kept


def warnings_of(act: t.Callable[[Any], object], **params: Any) -> list[str]:
    warned: list[str] = []
    act(SimpleNamespace(warn=warned.append, params=params))
    return warned


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "",
            "there is no events { } block, where worker_connections is set: if it comes from an include, move it into",
        ),
        ("events {\n", "line 1: the block events is not closed"),
        ("\0\0", "line 1: \0\0 has no ';' at its end"),
    ],
)
def test_a_damaged_copy_of_the_first_nginx_conf_blocks_no_deploy(
    tmp_path: Path, kept: journal.Journal, text: str, reason: str
) -> None:
    build = replace(BUILD, configuration=tmp_path / "nginx.conf")
    build.configuration.write_text("worker_processes 4;\nevents {\n    worker_connections 9000;\n}\n")
    (kept.directory / "nginx.conf").write_text(text)
    managed = {"directives": {"worker_shutdown_timeout": "1h"}, "sockets": None}
    found: list[atomic_files.Content | None] = []
    for needed in ([managed], []):
        warned = warnings_of(
            lambda module, needed=needed: found.append(  # type: ignore[misc]
                config_transaction.edited_nginx_conf(module, build, kept, needed)
            )
        )
        assert len(warned) == 1
        assert warned[0].startswith(f"{kept.directory}/nginx.conf is damaged: {reason}")
        assert f"It is {build.configuration} as it was before the first deploy" in warned[0]
    texts = [config_transaction.text_of(edited) for edited in found if edited]
    assert "worker_shutdown_timeout 1h;" in texts[0]
    assert "worker_connections 9000;" in texts[0]
    assert texts[1] == build.configuration.read_text()


def test_a_rollback_goes_on_to_the_last_deploy_whose_record_is_whole_and_says_so(kept: journal.Journal) -> None:
    broken = kept.directory / NAME / "000002"
    broken.write_text("[")
    entries: list[journal.Entry] = []
    (warned,) = warnings_of(lambda module: entries.append(config_transaction.last_deploy(module, kept)))
    (entry,) = entries
    assert entry.files[0].before == content("1")
    reason = "Expecting value: line 1 column 2 (char 1)"
    assert warned == (
        f"{broken} is damaged: {reason}. This rollback goes back further, to before the deploy of {entry.time}"
    )
    (kept.directory / NAME / "000001").unlink()
    with pytest.raises(transaction.TransactionError) as raised:
        warnings_of(lambda module: config_transaction.last_deploy(module, kept))
    assert str(raised.value) == f"nothing to roll back: {broken} is damaged: {reason}; nothing was changed"


@pytest.mark.parametrize(
    ("fingerprint", "live"),
    [
        (None, f"not known: nginx reports no configuration on {NAME}."),
        (FINGERPRINT, "the files as they are."),
        ("f" * 64, "another configuration than that of the files."),
    ],
)
def test_a_damaged_record_of_a_killed_deploy_ends_the_run_with_what_is_live_and_what_to_do(
    tmp_path: Path, kept: journal.Journal, monkeypatch: pytest.MonkeyPatch, fingerprint: str | None, live: str
) -> None:
    monkeypatch.setattr(live_config, "fingerprint", lambda _address: fingerprint)
    path = tmp_path / "gateway.conf"
    path.write_text(f"# {FINGERPRINT}\n")
    (tmp_path / ".gateway.conf.old").write_text("# before\n")
    record = kept.directory / NAME / "journal"
    record.write_text("{}")
    with pytest.raises(transaction.TransactionError) as raised:
        warnings_of(lambda module: config_transaction.check_state(module, kept, [path]))
    first, second, third = str(raised.value).splitlines()
    assert first.startswith(f"{record} is damaged: it has JSON of another shape. A deploy that was killed has left it")
    assert first.endswith("; nothing was changed.")
    assert second == f"Live now: {live}"
    assert f"before that deploy: {tmp_path}/.gateway.conf.old" in third
    assert "remove that record, and run the playbook again" in third


def test_a_damaged_record_of_the_last_deploy_is_a_warning(kept: journal.Journal) -> None:
    record = kept.directory / NAME / "deployed"
    assert warnings_of(lambda module: config_transaction.check_state(module, kept, [])) == []
    record.write_text("")
    (warned,) = warnings_of(lambda module: config_transaction.check_state(module, kept, []))
    assert warned.startswith(f"{record} is damaged: ")
    assert "A deploy that completes writes it anew." in warned


NOT_PACED = {
    **{"shutdown_timeout": "1h", "reconnect_rate": 0, "guard_upgrades": "ignore"},
    **{"probe_interval": 0, "upstreams": []},
}
ORIGINAL = "worker_processes auto;\nevents { worker_connections 768; }\n"


class Shared:
    """nginx.conf and the drop-in of a host with several gateways."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.build = root, replace(BUILD, configuration=root / "nginx.conf")
        self.build.configuration.write_text(ORIGINAL)
        monkeypatch.setattr(service, "has_systemd", lambda: True)
        monkeypatch.setattr(service, "DROP_IN", root / "drop-in.conf")
        monkeypatch.setattr(service, "PACER", root / "pacer.service")
        monkeypatch.setattr(service, "PROBER", root / "prober.service")
        monkeypatch.setattr(service, "PROGRAM", root / "nginx.pyz")
        monkeypatch.setattr(os, "cpu_count", lambda: 1)

    def kept(self, port: int) -> journal.Journal:
        return journal.Journal(f"127.0.0.1:{port}", self.root / "kept")

    def params(self, sockets: int | None, *, absent: bool = False) -> dict[str, Any]:
        """Of a gateway with a capacity; without one, it leaves the files to others."""
        if absent:
            return {"nginx_conf": {"state": "restored"}, "drop_in": {"state": "absent"}}
        if sockets is None:
            return {"nginx_conf": {"state": "checked"}, "drop_in": None}
        return {
            "nginx_conf": {"state": "managed", "sockets": sockets, "directives": {"worker_processes": "auto"}},
            "drop_in": {"state": "present", "sockets": sockets, "stop_timeout": "5s", **NOT_PACED},
        }

    def deploy(self, port: int, sockets: int | None, *, absent: bool = False) -> bool:
        """As far as these files go; whether one has changed."""
        params = {"log": None, **self.params(sockets, absent=absent)}
        module: Any = SimpleNamespace(params=params, warn=pytest.fail)
        kept, own = self.kept(port), config_transaction.wants(module)
        beside = config_transaction.files_beside(module, self.build, kept, own)
        changes = atomic_files.pending(beside)
        if self.build.configuration in beside:
            kept.keep_original(self.build.configuration, content(ORIGINAL))
        for change in changes:
            if change.after:
                atomic_files.write(change.path, replace(change.after, owner=(os.getuid(), os.getgid())))
            else:
                change.path.unlink()
        if absent:
            kept.remove(originals=self.build.configuration in beside)
        else:
            file = self.root / str(port)
            file.touch()
            kept.set_deployed(journal.Deployed([], [], files=(str(file),), wants=own))
        return any(change.now is None or not change.after or change.now.data != change.after.data for change in changes)

    @property
    def limits(self) -> tuple[str, str]:
        text = self.build.configuration.read_text()
        unit = service.DROP_IN.read_text() if service.DROP_IN.exists() else "LimitNOFILE=none:"
        return text.partition("worker_connections ")[2].partition(";")[0], unit.partition("NOFILE=")[2].split(":")[0]


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    return Shared(tmp_path, monkeypatch)


def test_gateways_of_a_host_share_the_largest_limits_and_none_takes_them_from_another(shared: Shared) -> None:
    assert shared.deploy(1, 4096)
    assert shared.deploy(2, 6000)
    assert shared.limits == ("12512", "13024")
    assert [shared.deploy(1, 4096), shared.deploy(2, 6000), shared.deploy(1, 4096)] == [False, False, False]
    # It needs nothing, and takes nothing away.
    assert not shared.deploy(3, None)
    assert not shared.deploy(1, None, absent=True)
    assert shared.limits == ("12512", "13024")
    assert shared.deploy(2, 100)
    assert shared.limits == ("768", "1224")
    assert shared.deploy(2, None, absent=True)
    assert (shared.build.configuration.read_text(), shared.limits) == (ORIGINAL, ("768", "none"))
    assert shared.kept(3).original(shared.build.configuration) is None


def test_a_gateway_that_leaves_takes_nothing_from_one_that_an_earlier_release_deployed(shared: Shared) -> None:
    """Which did not record what it needs."""
    shared.deploy(1, 4096)
    shared.deploy(2, 6000)
    shared.kept(2).set_deployed(shared.kept(2).deployed()._replace(wants=None))
    assert not shared.deploy(1, None, absent=True)
    assert shared.limits == ("12512", "13024")


def test_a_rollback_of_one_gateway_leaves_the_others_what_they_need(shared: Shared) -> None:
    """The file before its last deploy may be from before the other one's first."""
    shared.deploy(1, 100)
    before = atomic_files.read(shared.build.configuration)
    shared.deploy(1, 6000)
    module: Any = SimpleNamespace(warn=pytest.fail)
    beside: dict[Path, Any] = {shared.build.configuration: before, service.DROP_IN: None}

    def rolled_back(earlier: int | None) -> dict[Path, Any]:
        given: Any = SimpleNamespace(params={"log": None, **shared.params(earlier)})
        wants = config_transaction.wants(given) if earlier else None
        return config_transaction.for_others_too(module, shared.build, shared.kept(1), wants, beside)

    # Byte for byte where no other is there.
    assert rolled_back(100) == beside
    shared.deploy(2, 4096)
    found = rolled_back(100)
    assert b"worker_connections 8704;" in found[shared.build.configuration].data
    assert b"LimitNOFILE=9216:" in found[service.DROP_IN].data
    # An entry of an earlier release does not say what it needed.
    assert rolled_back(None) == {}


def test_a_file_that_cannot_be_replaced_stays_and_fails_no_deploy(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "POLICY", shared.root / "usr" / "policy-rc.d")
    monkeypatch.setattr(service, "PROGRAM", shared.root / "usr" / "nginx.pyz")
    wanted: dict[Path, Any] = {service.PROGRAM: content("new"), service.POLICY: content("new")}

    def left(expected: list[Path]) -> list[str]:
        found = dict(wanted)
        warned = warnings_of(lambda module: config_transaction.leave_unchangeable(module, found))
        assert list(found) == expected
        return warned

    service.POLICY.parent.mkdir()
    assert left(list(wanted)) == []
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    # That they are missing was said before the deploy.
    assert left([]) == []
    service.PROGRAM.write_text("old")
    (warned,) = left([])
    assert warned.startswith(f"{service.PROGRAM} cannot be written, as ")
    assert "stays as an earlier deploy has left it" in warned
    now = atomic_files.read(service.PROGRAM)
    wanted[service.PROGRAM] = now
    assert left([service.PROGRAM]) == []


UPSTREAMS = [{"name": "Chat", "servers": [{"address": "10.0.0.1:80", "state": ""}]}]


class Paced(Host):
    """A host whose gateway has the pacer, deployed by the module as far as it is not nginx's."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.main.write_text(ORIGINAL)
        self.build = replace(BUILD, configuration=self.main)
        self.program, self.fails = b"program", False
        self.followed: list[bool] = []
        self.loaded = self.now
        for name in ("PROGRAM", "PACER", "PROBER", "PROBER_AT_BOOT", "EXCHANGE", "POLICY", "NEEDRESTART", "DROP_IN"):
            monkeypatch.setattr(service, name, root / "service.d" / name)
        (root / "service.d").mkdir()
        monkeypatch.setattr(service, "has_systemd", lambda: True)
        monkeypatch.setattr(requirements, "obstacle", lambda: "")
        monkeypatch.setattr(journal.Journal.__init__, "__defaults__", (root / "kept",))
        monkeypatch.setattr(config_transaction, "found_nginx", lambda _module: self.build)
        monkeypatch.setattr(config_transaction, "warn_about_limits", lambda *_arguments: None)
        monkeypatch.setattr(package, "running", lambda *_arguments: None)
        monkeypatch.setattr(program, "content", lambda: self.program)
        monkeypatch.setattr(pacer_unit, "follow", self.follow)
        monkeypatch.setattr(prober_unit, "obstacle", lambda: "")
        monkeypatch.setattr(binary, "run", self.systemctl)
        self.asked: list[str] = []
        monkeypatch.setattr(atomic_files.Content.__init__, "__defaults__", ((os.getuid(), os.getgid()), ""))

    def follow(self, *, is_changed: bool) -> list[str]:
        self.followed.append(is_changed)
        if self.fails:
            raise service.ServiceError("'systemctl restart wsfleet-pacer.service' failed")
        return ["restarted it"] if is_changed else []

    def systemctl(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(" ".join(command[1:]))
        if command[1] == "enable" and not service.PROBER_AT_BOOT.is_symlink():
            service.PROBER_AT_BOOT.symlink_to(service.PROBER)
        return subprocess.CompletedProcess(command, 0, "", "")

    def run(self, rate: int, text: str = "after", interval: float = 0) -> dict[str, Any]:
        """The result of a run of the module."""
        ended: dict[str, Any] = {"notices": []}

        class Ended(Exception):
            pass

        def end(**result: Any) -> None:
            ended.update(result)
            raise Ended

        listed = {"path": str(self.conf), "content": configuration(text).data.decode(), "mode": "0644", "at": ""}
        old = {"path": str(self.conf.with_name("old.conf")), "state": "absent", "at": "", "sources": []}
        unit = {"state": "present", "sockets": 100, "stop_timeout": "20s", "shutdown_timeout": "1h", "at": ""}
        conf = {"directives": {"worker_shutdown_timeout": "1h"}, "sockets": 100, "state": "managed", "at": ""}
        params = {
            **{name: [] for name in ("listening", "replaces", "secrets", "serves", "loads", "drained", "probes")},
            "files": [{**listed, "state": "present", "sources": []}, old],
            "state": "present",
            "live_address": ADDRESS,
            "policy": "rollback",
            "health": None,
            "log": None,
            "nginx_conf": conf,
            "drop_in": {
                **{**unit, "reconnect_rate": rate, "guard_upgrades": "ignore"},
                **{"probe_interval": interval, "upstreams": UPSTREAMS},
            },
        }
        module: Any = SimpleNamespace(
            params=params,
            check_mode=False,
            no_log_values=set(),
            warn=ended["notices"].append,
            exit_json=end,
            fail_json=lambda msg, **result: end(msg=msg, **result),
        )
        self.followed.clear()
        self.asked.clear()
        with pytest.raises(Ended):
            config_transaction.run(module, self.root)
        return ended


@pytest.fixture
def paced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paced:
    stand_in(monkeypatch)
    return Paced(tmp_path, monkeypatch)


def test_the_pacer_follows_a_deploy_and_nginx_is_not_reloaded_for_it(paced: Paced) -> None:
    assert paced.run(10)["actions"][-1] == "restarted it"
    assert "pace --binary nginx --rate 10 --timeout 3600 --stop-timeout 20\n" in service.PACER.read_text()
    # One for each of 100 sockets at this rate, and the spare time.
    assert "worker_shutdown_timeout 3910s;" in paced.main.read_text()
    generation = paced.generation
    result = paced.run(10)
    assert (result["changed"], result["actions"], paced.followed) == (False, [], [False])
    paced.program = b"that of another release"
    result = paced.run(10)
    assert result["actions"] == [f"wrote {service.PROGRAM}", "restarted it"]
    assert (service.PROGRAM.read_bytes(), paced.generation) == (paced.program, generation)
    # A pacer that does not start is a warning.
    paced.fails, paced.program = True, b"one that fails"
    result = paced.run(10)
    assert (result["changed"], paced.followed, len(result["notices"])) == (True, [True], 1)
    assert f"see `journalctl -u {service.PACER.stem}`" in result["notices"][0]


def test_without_a_rate_there_is_no_pacer_and_nginx_has_the_timeout(paced: Paced) -> None:
    paced.run(10)
    paced.run(0)
    assert (service.PACER.exists(), paced.followed) == (False, [True])
    assert "worker_shutdown_timeout 1h;" in paced.main.read_text()
    # The guard uses it too.
    assert service.PROGRAM.exists()


def test_a_rolled_back_deploy_leaves_the_earlier_pacer_as_it_runs(
    paced: Paced, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced.run(10)
    before = service.PACER.read_bytes(), service.PROGRAM.read_bytes(), paced.main.read_bytes()

    def rolled_back(deployment: transaction.Transaction, *_arguments: object) -> deploy.Report:
        deployment.apply([])
        assert b"--rate 20 " in service.PACER.read_bytes()
        return deploy.Report(failure=deployment.roll_back(), rolled_back=True)

    monkeypatch.setattr(deploy, "run", rolled_back)
    paced.program = b"that of another release"
    result = paced.run(20, "next")
    assert result["rolled_back"]
    assert (service.PACER.read_bytes(), service.PROGRAM.read_bytes(), paced.main.read_bytes()) == before
    assert paced.followed == []


def test_the_prober_follows_a_deploy_with_what_it_has_left(paced: Paced) -> None:
    file, name = paced.root / "kept" / "prober.json", service.PROBER.name
    assert paced.run(0, "first")["actions"][-1] != f"restarted {name}"
    assert not service.PROBER.exists()
    generation = paced.generation
    assert paced.run(0, "first", 15)["actions"][-1] == f"restarted {name}"
    assert ("probe --interval 15\n" in service.PROBER.read_text(), paced.generation) == (True, generation)
    (known,) = record.loaded(file.read_text()).configurations
    assert (known.path, known.live_address) == (str(paced.conf), ADDRESS)
    assert known.servers == [record.UpstreamServer("Chat", "10.0.0.1:80", "")]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (paced.run(0, "first", 15)["changed"], paced.asked) == (False, [f"is-active --quiet {name}"])
    # Another configuration, so another fingerprint.
    assert paced.run(0, "second", 15)["actions"][-1] == f"restarted {name}"
    (later,) = record.loaded(file.read_text()).configurations
    assert not set(later.fingerprints) & set(known.fingerprints)
    assert paced.run(0, "second", 0)["actions"][-1] == f"stopped {name}"
    assert [path.exists() for path in (file, service.PROBER, service.PROGRAM)] == [False, False, True]


def test_a_rolled_back_deploy_leaves_the_prober_what_it_knew(paced: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    paced.run(0, "first", 15)
    files = service.PROBER, paced.root / "kept" / "prober.json"
    before = [path.read_bytes() for path in files]

    def rolled_back(deployment: transaction.Transaction, *_arguments: object) -> deploy.Report:
        deployment.apply([])
        assert b"--interval 30" in service.PROBER.read_bytes()
        return deploy.Report(failure=deployment.roll_back(), rolled_back=True)

    monkeypatch.setattr(deploy, "run", rolled_back)
    assert paced.run(0, "next", 30)["rolled_back"]
    assert [path.read_bytes() for path in files] == before
    assert not any(command.startswith("restart") for command in paced.asked)


def test_a_host_that_cannot_have_a_prober_has_none(paced: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_unit, "obstacle", lambda: "its systemd is 245")
    assert not paced.run(0, "first", 15)["notices"]
    assert not service.PROBER.exists()
