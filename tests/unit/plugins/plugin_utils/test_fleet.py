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
    return {**ASKED, "__websockets_result": {"changed": False, "probes": [PROBE], "actions": [], **result}}


CHANGED = deployed(changed=True, actions=["wrote /a", "reloaded nginx"])
VERIFIED = deployed()
LOST = {**ASKED, "__websockets_result": {"unreachable": True, "msg": "No route to host\nand more"}}
NEVER_THERE = {"__websockets_preflight": {"unreachable": True, "msg": "Task failed: Connection timed out"}}
UNDONE = {
    **ASKED,
    "__websockets_failure": {"rolled_back": True, "msg": "This deploy is rolled back: 1 route.\nLive now: it."},
}
FAILED = {**ASKED, "__websockets_failure": {"msg": "apt-get failed"}, "__websockets_result": {"changed": True}}


def of(gateways: dict[str, t.Any], batch: list[str], **others: bool) -> Summary:
    return summary(gateways.get, [*gateways, "left out"], batch, list(gateways)[-1], **others)


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


def test_a_failure_in_the_batch_stops_the_run() -> None:
    for failure in (UNDONE, FAILED):
        found = of({"g1": VERIFIED, "g2": failure, "g3": ASKED}, ["g1", "g2"])
        assert found["stops"]
        assert found["text"].startswith("3 gateways: 1 verified, 1 not started, 1 ")


def test_one_that_is_lost_stops_nobody_unless_it_is_the_whole_batch() -> None:
    gateways = {"g1": VERIFIED, "g2": LOST, "g3": ASKED}
    some = of(gateways, ["g1", "g2"])
    assert some == {"stops": False, "text": "", "unreachable": ["g2"]}
    assert of(gateways, ["g2"])["stops"]


def test_the_text_comes_after_the_batch_with_the_last_gateway() -> None:
    gateways = {"g1": VERIFIED, "g2": CHANGED}
    assert of(gateways, ["g1"])["text"] == ""
    assert of(gateways, ["g2"])["text"].startswith("2 gateways: 1 changed, 1 verified")


NO_RESULT = "Task failed: Module result deserialization failed: No start of json char found"
CONNECTION = "Shared connection to 192.0.2.1 closed.\r\n"
PYTHON = "set ansible_python_interpreter to a Python 3.8 or later"
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
    assert outcome({**ASKED, "__websockets_failure": failure}) == ("failed", reason)


def test_a_module_of_the_controller_that_needs_rights_on_the_host_is_failed_by_what_to_set() -> None:
    said = "Failed to get information on remote file (/etc/a): /bin/sh: 1: sudo: not found"
    assert outcome({**ASKED, "__websockets_failure": {"msg": f"Task failed: {said}"}}) == ("failed", f"{said}; {SUDO}")


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
