# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each gateway of a run."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._fleet import Summary, check, outcome, summary

ASKED: dict[str, t.Any] = {"__websockets_preflight": {"nginx_version": "1.22.1"}}
PROBE = {"site": "a", "path": "/", "status": 101, "verified": "handshake", "milliseconds": 1.0}


def deployed(**result: t.Any) -> dict[str, t.Any]:
    return {**ASKED, "websockets_result": {"changed": False, "probes": [PROBE], "actions": [], **result}}


CHANGED = deployed(changed=True, actions=["wrote /a", "reloaded nginx"])
VERIFIED = deployed()
LOST = {**ASKED, "websockets_result": {"unreachable": True, "msg": "No route to host\nand more"}}
NEVER_THERE = {"__websockets_preflight": {"unreachable": True, "msg": "Task failed: Connection timed out"}}
UNDONE = {
    **ASKED,
    "__websockets_failure": {"rolled_back": True, "msg": "This deploy is rolled back: 1 route.\nLive now: it."},
}
FAILED = {**ASKED, "__websockets_failure": {"msg": "apt-get failed"}, "websockets_result": {"changed": True}}


def of(gateways: dict[str, t.Any], batch: list[str], **others: t.Any) -> Summary:
    return summary(gateways.get, [*gateways, "left out"], batch, list(gateways), **others)


def test_each_gateway_has_one_state() -> None:
    assert [outcome(facts)[0] for facts in (CHANGED, VERIFIED, LOST, NEVER_THERE, UNDONE, FAILED, ASKED)] == [
        *("changed", "verified", "unreachable", "unreachable", "rolled back", "failed", "not started"),
    ]
    assert outcome(deployed(probes=[])).state == "unchanged"


def test_the_summary_counts_and_names_all_of_them() -> None:
    gateways = {"g1": CHANGED, "g2": CHANGED, "g3": UNDONE, "g4": ASKED, "g5": NEVER_THERE, "g6": VERIFIED}
    assert of(gateways, ["g2", "g3"])["text"].splitlines() == [
        "6 gateways: 2 changed, 1 verified, 1 not started, 1 unreachable, 1 rolled back",
        "",
        "changed      g1, g2: wrote /a, reloaded nginx",
        "verified     g6",
        "not started  g4",
        "unreachable  g5: Connection timed out",
        "rolled back  g3: This deploy is rolled back: 1 route.",
        "",
        "gateway  site  path  status  verified    ms",
        "g1       a     /        101  handshake  1.0",
        "g2       a     /        101  handshake  1.0",
        "g6       a     /        101  handshake  1.0",
        "",
        "g3:",
        "  This deploy is rolled back: 1 route.",
        "  Live now: it.",
    ]


def test_routes_that_are_not_verified_are_counted_and_marked() -> None:
    unverified = {**PROBE, "status": 404, "verified": "", "unverified": "the backend returns 404 at /"}
    gateways = {
        "g1": deployed(changed=True, actions=["reloaded nginx"], probes=[unverified, PROBE, unverified]),
        "g2": deployed(probes=[unverified]),
    }
    assert of(gateways, ["g2"])["text"].splitlines() == [
        "2 gateways: 1 changed, 1 verified",
        "",
        "changed   g1: reloaded nginx, 2 routes not verified",
        "verified  g2: 1 route not verified",
        "",
        "gateway  site  path  status  verified       ms",
        "g1       a     /        404  not verified  1.0",
        "g1       a     /        101  handshake     1.0",
        "g1       a     /        404  not verified  1.0",
        "g2       a     /        404  not verified  1.0",
    ]


def test_check_mode_says_what_would_be() -> None:
    first = of({"g1": CHANGED}, ["g1"], check_mode=True)["text"].splitlines()[0]
    assert first == "1 gateway: 1 would change"


def test_check_mode_says_that_nginx_would_be_installed() -> None:
    facts = deployed(changed=True, actions=["would write /a"])
    new = {**facts, "__websockets_preflight": {"nginx_version": None}}
    text = of({"g1": new, "g2": facts}, ["g2"], check_mode=True)["text"]
    assert "would change  g1: would install nginx, would write /a\nwould change  g2: would write /a\n" in text


def test_a_removed_gateway_is_in_the_summary_with_all_that_went() -> None:
    actions = ["removed /etc/nginx/conf.d/a.conf", "reloaded nginx"]
    removed = {
        "files": ["/var/log/nginx/a.log"],
        "packages": [],
        "kept_for": [f"/etc/nginx/{n}.conf" for n in range(4)],
    }
    last = {**removed, "packages": ["nginx", "nginx-common"], "kept_for": []}
    none = {**removed, "files": []}
    done = "removed /etc/nginx/conf.d/a.conf, reloaded nginx, removed /var/log/nginx/a.log"
    gateways = {
        "g1": {**deployed(changed=True, actions=actions), "__websockets_removed": removed},
        "g2": {**deployed(changed=True, actions=actions), "__websockets_removed": last},
        # nginx was not there, or nothing of the gateway.
        "g3": {**ASKED, "websockets_result": {"skipped": True}, "__websockets_removed": none},
    }
    assert of(gateways, ["g3"])["text"].splitlines()[:5] == [
        "3 gateways: 1 unchanged, 2 removed",
        "",
        "unchanged  g3",
        f"removed    g1: {done}, nginx is kept for /etc/nginx/0.conf, /etc/nginx/1.conf, /etc/nginx/2.conf and 1 more",
        f"removed    g2: {done}, stopped nginx, purged nginx, nginx-common with /etc/nginx and /var/log/nginx",
    ]
    would = of({"g2": gateways["g2"]}, ["g2"], check_mode=True)["text"]
    assert "would remove  g2: " in would
    assert "would stop nginx, would purge nginx, nginx-common with" in would
    kept = {**gateways["g2"], "__websockets_removed": {**last, "keeps_logs": True}}
    assert "stopped nginx, removed nginx, nginx-common with /etc/nginx\n" in of({"g2": kept}, ["g2"])["text"]


REJECTED = """nginx rejects the new configuration; nothing was changed:
[emerg] unknown directive "gzip_foo" in /etc/nginx/conf.d/00-websockets.conf:4
That is 'gzip_foo on;', from websockets_directives."""
ROLLED_BACK = """Rolled back: 2 of 4 routes failed their probes.
Live now: the earlier files are back, and nginx serves them.
What to fix:
- websockets_sites[0].locations[0] (a.example /): returned 502 Bad Gateway, but passed before this deploy
  probed directly: server01:3000 refused the connection: nothing listens there
- websockets_sites[0].locations[1] (a.example /b): returned 502 Bad Gateway, but passed before this deploy"""


def test_a_failed_deploy_has_its_cause_in_one_line_and_its_whole_message_once_at_the_end() -> None:
    rejected = {**ASKED, "websockets_result": {"msg": REJECTED, "failed": False}}
    rolled_back = {**ASKED, "websockets_result": {"msg": ROLLED_BACK, "rolled_back": True, "failed": False}}
    short = {**ASKED, "websockets_result": {"msg": "another deploy runs; nothing was changed"}}
    found = of({"g1": rejected, "g2": rolled_back, "g3": rejected, "g4": short}, ["g1", "g2", "g3", "g4"])
    assert found["stops"]
    assert found["text"].splitlines() == [
        "4 gateways: 1 rolled back, 3 failed",
        "",
        "rolled back  g2: websockets_sites[0].locations[0] (a.example /): returned 502 Bad Gateway, but passed before "
        "this deploy, and 1 more",
        'failed       g1, g3: [emerg] unknown directive "gzip_foo" in /etc/nginx/conf.d/00-websockets.conf:4',
        "failed       g4: another deploy runs; nothing was changed",
        "",
        "g1, g3:",
        *(f"  {line}" for line in REJECTED.splitlines()),
        "",
        "g2:",
        *(f"  {line}" for line in ROLLED_BACK.splitlines()),
    ]


def test_all_causes_are_counted_where_the_message_does_not_list_all() -> None:
    message = f"{ROLLED_BACK}\n- and 498 more: websockets_sites[2].locations[0] and 497 more"
    found = outcome({**ASKED, "websockets_result": {"msg": message, "rolled_back": True}})
    assert found.words.endswith("but passed before this deploy, and 499 more")


def test_a_message_that_a_task_has_shown_in_one_line_is_shown_in_its_lines() -> None:
    shown = {**ASKED, "__websockets_failure": {"msg": REJECTED}}
    lines = of({"g1": shown}, ["g1"])["text"].splitlines()
    assert lines[1:5] == ["", f"failed  g1: {REJECTED.splitlines()[1]}", "", "g1:"]
    assert lines[5:] == [f"  {line}" for line in REJECTED.splitlines()]


def test_what_was_noticed_on_hosts_is_shown_once_with_their_names() -> None:
    unverified = "not verified: the backend returns 404 at /"
    failure = {"msg": "any", "notices": ["it is out", "1 of 2 routes\nLive now: it"]}
    gateways = {
        "g1": deployed(notices=["websockets_capacity: too low", *(f"at[{n}]: {unverified}" for n in range(5))]),
        "g2": {
            **deployed(notices=["websockets_capacity: too low"]),
            "__websockets_preflight": {"notices": ["any user can", "websockets_capacity: too low"]},
        },
        "g3": {**ASKED, "__websockets_failure": failure},
    }
    found = of(gateways, ["g2", "g3"])
    assert found["text"].split("\n\n")[-1].splitlines() == [
        "Warnings:",
        "- g1, g2: websockets_capacity: too low",
        f"- g1: at[0], at[1], at[2] and 2 more: {unverified}",
        "- g2: any user can",
        "- g3: it is out",
        "- g3: 1 of 2 routes",
        "  Live now: it",
    ]
    assert found["warnings"][:2] == ["g2: any user can", "g2: websockets_capacity: too low"]


def test_500_routes_are_a_short_table_with_those_first_that_need_a_look() -> None:
    probes = [{**PROBE, "path": f"/{n}"} for n in range(500)]
    probes[400] = {**probes[400], "verified": "", "unverified": "any"}
    lines = of({"g1": deployed(probes=probes)}, ["g1"])["text"].splitlines()
    assert lines[5].split() == ["g1", "a", "/400", "101", "not", "verified", "1.0"]
    assert lines[-1].split() == ["and", "480", "more", "all", "verified"]
    assert len(lines) == 5 + 20 + 1
    unverified = [{**probe, "verified": "", "unverified": "any"} for probe in probes]
    assert of({"g1": deployed(probes=unverified)}, ["g1"])["text"].endswith("450 not verified")


def test_a_failure_in_the_batch_stops_the_run() -> None:
    for failure in (UNDONE, FAILED):
        found = of({"g1": VERIFIED, "g2": failure, "g3": ASKED}, ["g1", "g2"])
        assert found["stops"]
        assert found["text"].startswith("3 gateways: 1 verified, 1 not started, 1 ")


def test_one_that_is_lost_stops_nobody_unless_it_is_the_whole_batch() -> None:
    gateways = {"g1": VERIFIED, "g2": LOST, "g3": ASKED}
    some = of(gateways, ["g1", "g2"])
    assert some == {"stops": False, "text": "", "warnings": []}
    assert of(gateways, ["g2"])["stops"]


def test_a_run_that_continues_stops_where_the_change_itself_failed_alone() -> None:
    gateways = {"g1": VERIFIED, "g2": FAILED, "g3": LOST, "g4": UNDONE, "g5": ASKED}
    some = of(gateways, ["g1", "g2", "g3"], continues=True)
    assert some == {"stops": False, "text": "", "warnings": []}
    assert not of(gateways, ["g3"], continues=True)["stops"]
    assert of(gateways, ["g4"], continues=True)["stops"]


def test_the_text_comes_after_the_batch_with_the_last_gateway() -> None:
    gateways = {"g1": VERIFIED, "g2": CHANGED}
    assert of(gateways, ["g1"])["text"] == ""
    assert of(gateways, ["g2"])["text"].startswith("2 gateways: 1 changed, 1 verified")


def progress(total: int, reached: int, serial: t.Sequence[str | int], **others: dict[str, t.Any]) -> str:
    """After the batch that ends with this gateway, of so many."""
    gateways = {f"g{number}": others.get(f"g{number}", VERIFIED) for number in range(1, total + 1)}
    return of(gateways, [f"g{reached}"], serial=serial, continues=True)["text"]


@pytest.mark.parametrize(
    ("total", "reached", "serial", "text"),
    [
        (500, 51, [1, "10%", "25%"], "batch 2 of 6: 51 of 500 gateways done, 0 failed, next 25 %"),
        (500, 176, [1, "10%", "25%"], "batch 3 of 6: 176 of 500 gateways done, 0 failed, next 25 %"),
        (3, 1, [1, "10%", "25%"], "batch 1 of 3: 1 of 3 gateways done, 0 failed, next 10 %"),
        (3, 1, [1], "batch 1 of 3: 1 of 3 gateways done, 0 failed, next 1"),
        (7, 4, [2], "batch 2 of 4: 4 of 7 gateways done, 0 failed, next 2"),
        (7, 1, [1, 2, 10], "batch 1 of 3: 1 of 7 gateways done, 0 failed, next 2"),
        (7, 3, ["50%"], "batch 1 of 3: 3 of 7 gateways done, 0 failed, next 50 %"),
    ],
)
def test_after_each_batch_but_the_last_one_it_is_said_how_far_the_run_is(
    total: int, reached: int, serial: t.Sequence[str | int], text: str
) -> None:
    assert progress(total, reached, serial) == text
    assert progress(total, total, serial).startswith(f"{total} gateways: {total} verified")


def test_gateways_that_the_run_goes_on_without_are_not_done() -> None:
    found = progress(9, 6, [3], g1=LOST, g2=FAILED, g6=NEVER_THERE)
    assert found == "batch 2 of 3: 3 of 9 gateways done, 1 failed, 2 unreachable, next 3"


NO_RESULT = "Task failed: Module result deserialization failed: No start of json char found"
CONNECTION = "Shared connection to 192.0.2.1 closed.\r\n"
PYTHON = "set ansible_python_interpreter to a Python 3.9 or later"
SUDO = "connect as root and set ansible_become: false, or set ansible_become_method to one that the host has"


@pytest.mark.parametrize(
    ("stderr", "stdout", "reason"),
    [
        ("/bin/sh: 1: sudo: not found\n", "", f"/bin/sh: 1: sudo: not found; {SUDO}"),
        (CONNECTION, "bash: line 1: sudo: command not found\r\n", f"bash: line 1: sudo: command not found; {SUDO}"),
        ("deploy is not in the sudoers file.\n", "", f"deploy is not in the sudoers file.; {SUDO}"),
        ("/usr/bin/python3: not found\n", "", f"/usr/bin/python3: not found; {PYTHON}"),
        (
            'Traceback (most recent call last):\n  File "<stdin>"\nSyntaxError: invalid syntax\n',
            "",
            f"SyntaxError: invalid syntax; {PYTHON}",
        ),
        (
            f"{CONNECTION}",
            "ansible-core requires a minimum of Python version 3.8. Current version: 3.6.8\n",
            f"ansible-core requires a minimum of Python version 3.8. Current version: 3.6.8; {PYTHON}",
        ),
        ("Segmentation fault\n", "", "Segmentation fault"),
        ("", "", "Module result deserialization failed: No start of json char found"),
    ],
)
def test_a_module_that_could_not_run_is_failed_by_what_the_host_printed(stderr: str, stdout: str, reason: str) -> None:
    failure = {"msg": NO_RESULT, "module_stderr": stderr, "module_stdout": stdout, "rc": 127}
    assert outcome({**ASKED, "__websockets_failure": failure})[:2] == ("failed", reason)
    assert outcome(deployed(**failure))[:2] == ("failed", reason)


def test_a_module_of_the_controller_that_needs_rights_on_the_host_is_failed_by_what_to_set() -> None:
    said = "Failed to get information on remote file (/etc/a): /bin/sh: 1: sudo: not found"
    found = outcome({**ASKED, "__websockets_failure": {"msg": f"Task failed: {said}"}})
    assert found[:2] == ("failed", f"{said}; {SUDO}")


def model(errors: t.Sequence[str] = (), warnings: t.Sequence[str] = (), serial: t.Any = (1,)) -> dict[str, t.Any]:
    return {"errors": errors, "warnings": warnings, "serial": serial}


def test_the_errors_of_all_gateways_are_one_message() -> None:
    both = model(["a: is", "b: too"])
    models = {"g1": both, "g2": model(), "g3": both}
    assert check(models)["errors"].splitlines() == [
        "Invalid variables for g1, g3:",
        "- a: is",
        "- b: too",
    ]
    assert check({"g2": models["g2"]})["errors"] == ""


def test_a_warning_names_who_it_is_for_unless_it_is_for_all() -> None:
    models = {"g1": model(warnings=["w", "v"]), "g2": model(warnings=["w"])}
    assert check(models)["warnings"] == ["w", "g1: v"]


def test_a_warning_about_many_subjects_is_one_line() -> None:
    many = [f"websockets_sites[{number}]: any web page can" for number in range(500)]
    drained = [f"websockets_upstreams[{number}]: s1 is drained until" for number in range(500)]
    models = {name: model(warnings=[*many, *drained, "no path", "no subject"]) for name in ("g1", "g2")}
    models["g2"]["warnings"].append("websockets_upstreams[0] (x): s1 is drained until")
    assert check(models)["warnings"] == [
        "websockets_sites[0], websockets_sites[1], websockets_sites[2] and 497 more: any web page can",
        "websockets_upstreams[0], websockets_upstreams[1], websockets_upstreams[2] and 497 more: s1 is drained until",
        "no path",
        "no subject",
        "g2: websockets_upstreams[0] (x): s1 is drained until",
    ]


def test_sizes_of_batches_that_differ_are_an_error_that_names_them() -> None:
    models = {"g1": model(serial=[1]), "g2": model(serial=[1]), "g3": model(serial=["25%"])}
    other = {**models, "g4": model(serial=[1, "10%"])}
    need = "all gateways of a run need the same"
    assert check(models)["errors"] == f"websockets_serial differs: g1 1, g3 25%; {need}"
    assert check(other)["errors"] == f"websockets_serial differs: g1 1, g3 25%, g4 [1, 10%]; {need}"
    # Where it is an error already, that is said of it.
    assert check({"g1": model(), "g2": model(["websockets_serial: is"], serial=None)})["errors"].splitlines() == [
        "Invalid variables for g2:",
        "- websockets_serial: is",
    ]
