# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of gateways that serve their routes, and are not as their variables say nevertheless."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found
from fleets import changed, healthy, model, reported, with_nginx

MODEL = model(
    [{"name": "chat", "servers": ["s1:80"]}],
    [{"server_name": "a.example", "listen": 80, "locations": [{"path": "/", "upstream": "chat"}]}],
)
OTHERS, BROKEN = healthy("g1", MODEL), healthy("g2", MODEL)
LIVE, OTHER = MODEL["digest"], "b" * 64
SITE = "playbooks/site.yml"
CERTIFICATE = {"site": "a.example", "path": "/etc/ssl/a.pem"}


def certificate(state: str | None) -> Found:
    return changed(BROKEN, certificates=[{**CERTIFICATE, "state": state}])


# Each state of a gateway that serves all its routes: the kind of its finding, what it says, and what to do.
ERRORS: dict[str, tuple[Found, str, str, str]] = {
    "other variables": (
        changed(BROKEN, fingerprint=OTHER),
        *("configuration", "The live configuration is not what the variables say on g2", SITE),
    ),
    "variables that this nginx does not suit": (
        replace(BROKEN, expected={"errors": ["websockets_sites[0].http2: requires nginx 1.25.1"]}),
        *("configuration", "The variables do not suit the installed nginx on g2", "Change the variables"),
    ),
    "killed deploy": (
        changed(BROKEN, unfinished="2026-01-31 02:00:00 UTC", fingerprint=OTHER),
        *("deploy", "A deploy was not completed on g2", f"Run {SITE}, which completes it"),
    ),
    "left out": (
        changed(BROKEN, left_out=True),
        *("deploy", "A deploy has left g2 out of the load balancers", f"Run {SITE}, which brings it back"),
    ),
    "expired": (
        changed(BROKEN, 0, expires="2026-01-31T02:59:59Z"),
        *("certificate", "The certificate of a.example has expired", "Renew it"),
    ),
    "not yet valid": (
        changed(BROKEN, 0, expires="2027-01-31T02:59:59Z", valid_from="2026-01-31T03:00:01Z"),
        *("certificate", "The certificate of a.example is not valid yet", "clock"),
    ),
    "renewed": (
        certificate("not_loaded"),
        *("certificate", "The certificate of a.example is not the one that nginx presents on g2", f"{SITE} reloads it"),
    ),
    "certificate is gone": (
        certificate("missing"),
        *("certificate", "The certificate of a.example has no file on g2", "start without the file"),
    ),
    "certificate is none": (
        certificate("invalid"),
        *("certificate", "The certificate of a.example cannot be read from its file on g2", "with that file"),
    ),
    "disabled": (
        with_nginx(BROKEN, is_enabled=False),
        *("nginx", "nginx does not start at boot on g2", "systemctl enable nginx"),
    ),
    "replaced binary": (
        with_nginx(BROKEN, is_replaced=True),
        *("nginx", "nginx runs in another version than the installed one on g2", "wsfleet.nginx.upgrade"),
    ),
    "replaced library": (
        with_nginx(BROKEN, replaced=["/usr/lib/x86_64-linux-gnu/libssl.so.3"]),
        *("nginx", "nginx runs in another version than the installed one on g2", "wsfleet.nginx.upgrade"),
    ),
    "old version": (
        with_nginx(BROKEN, version="1.26.2"),
        *("nginx", "nginx runs in another version than the installed one on g2", "wsfleet.nginx.upgrade"),
    ),
    "half an upgrade": (
        with_nginx(BROKEN, earlier_master=99),
        *("nginx", "An upgrade of nginx's binary was not completed on g2", "playbook upgrade"),
    ),
    "killed master": (
        with_nginx(BROKEN, master=None, is_recorded=False, version=None, orphans=2),
        *("nginx", "Workers of nginx whose master was killed still serve on g2", f"{SITE} starts nginx"),
    ),
    "lost pid file": (
        with_nginx(BROKEN, is_recorded=False),
        *("nginx", "nginx runs, but its pid file does not name its master on g2", "Write the process id"),
    ),
    "low limits": (
        with_nginx(BROKEN, shortfalls=["worker_connections is 768, but 5632 are needed"]),
        *("nginx", "The limits of nginx are too low for websockets_capacity on g2", SITE),
    ),
    "nothing runs": (
        with_nginx(changed(BROKEN, fingerprint=None, file=None), master=None, is_recorded=False, version=None),
        *("nginx", "nginx does not run on g2", f"{SITE} starts it"),
    ),
    "not installed": (
        changed(BROKEN, fingerprint=None, file="missing", nginx=None, nginx_version=None),
        *("nginx", "nginx cannot be run on g2", f"{SITE} installs and starts it"),
    ),
    "foreign program": (
        changed(BROKEN, fingerprint=None, file=None, holder="python3 (pid 7, user nobody)"),
        *("nginx", "Another program listens at websockets_status_listen instead of nginx on g2", "Stop the program"),
    ),
    "no configuration": (
        changed(BROKEN, fingerprint=None, file="missing"),
        *("configuration", "nginx does not report its configuration on g2", f"run {SITE} to deploy"),
    ),
    "edited and loaded": (
        changed(BROKEN, file="edited", fingerprint=OTHER),
        *("configuration", "The file is not as the last deploy left it on g2", "put it into the variables"),
    ),
    "edited and not loaded": (
        changed(BROKEN, file="not_loaded"),
        *("configuration", "The file is not what nginx serves on g2", f"Run {SITE}"),
    ),
    "removed": (
        changed(BROKEN, file="missing"),
        *("configuration", "The file is missing on g2", f"Run {SITE}"),
    ),
}


@pytest.mark.parametrize("broken", ERRORS)
def test_a_broken_state_is_an_error_with_its_own_reason_and_what_to_do(broken: str) -> None:
    found, kind, title, remedy = ERRORS[broken]
    report = reported(OTHERS, found)
    (finding,) = report["findings"]
    assert (finding["severity"], finding["kind"], finding["title"]) == ("error", kind, title)
    assert remedy in finding["text"]
    assert finding["gateways"] == ["g2"]
    assert (report["state"], report["summary"]) == ("errors", "All 2 gateways serve all their routes, with 1 error")
    assert [gateway["state"] for gateway in report["gateways"]] == ["ok", "failed"]
    assert text.failure(report).endswith(". Failed or unreachable: g2")


def test_details_name_what_was_found_on_each_gateway() -> None:
    fleet = [changed(found, fingerprint=OTHER) for found in (OTHERS, BROKEN)]
    (finding,) = reported(*fleet)["findings"]
    assert finding["details"] == [f"{name}: bbbbbbbb is live, {LIVE[:8]} is what they say" for name in ("g1", "g2")]
    (finding,) = reported(with_nginx(BROKEN, version="1.26.2"))["findings"]
    assert finding["details"] == ["g2: nginx 1.26.2 runs, 1.26.3 is installed"]
    updated = {"installed_package": "1.26.3-3+deb13u12"}
    (finding,) = reported(with_nginx(BROKEN, is_replaced=True, replaced=["/usr/sbin/nginx"], **updated))["findings"]
    assert finding["details"] == ["g2: nginx 1.26.3-3+deb13u11 runs, 1.26.3-3+deb13u12 is installed"]
    (finding,) = reported(with_nginx(BROKEN, replaced=["/usr/lib/libssl.so.3"]))["findings"]
    assert finding["details"] == ["g2: nginx 1.26.3-3+deb13u11 runs with earlier versions of /usr/lib/libssl.so.3"]
    (finding,) = reported(certificate("not_loaded"))["findings"]
    assert finding["details"] == ["a.example: /etc/ssl/a.pem on g2"]


def test_the_configuration_is_compared_with_the_model_for_the_hosts_own_nginx_and_drained_servers() -> None:
    own = replace(changed(BROKEN, fingerprint=OTHER), expected={"digest": OTHER, "errors": []})
    assert reported(own)["findings"] == []
    assert reported(replace(BROKEN, expected={"digest": OTHER, "errors": []}))["state"] == "errors"


OLD = [
    {"workers": 4, "since": "2026-01-31T02:00:00Z", "sockets": 1037, "bytes": 29_400_000},
    {"workers": 1, "since": "2026-01-31T02:30:00Z", "sockets": None, "bytes": None},
]


def test_earlier_generations_are_a_note_that_says_what_they_are() -> None:
    report = reported(with_nginx(BROKEN, generations=OLD))
    (finding,) = report["findings"]
    assert (finding["severity"], report["state"]) == ("note", "ok")
    assert finding["title"] == "Earlier generations of nginx's workers still have open sockets on g2"
    assert finding["text"].startswith("That is normal after a deploy, which closes no socket: ")
    assert finding["details"] == [
        "g2: since 2026-01-31T02:00:00Z 4 workers, 1,037 open sockets, 29 MB; since 2026-01-31T02:30:00Z 1 worker"
    ]


@pytest.mark.parametrize("generations", [OLD, []])
@pytest.mark.parametrize("available", [99_999_999, 100_000_000])
def test_too_little_memory_for_one_more_generation_is_a_warning_while_there_are_any(
    generations: list[t.Any], available: int
) -> None:
    memory = {"available": available, "needed": 100_000_000}
    found = reported(with_nginx(BROKEN, generations=generations, memory=memory))["findings"]
    warnings = [finding for finding in found if finding["severity"] == "warning"]
    assert len(warnings) == (1 if generations and available < 100_000_000 else 0)
    if warnings:
        assert warnings[0]["title"] == "The memory may not be enough for one more deploy on g2"
        assert warnings[0]["details"] == ["g2: 100 MB available, 100 MB for a full generation"]


def test_a_pacer_that_does_not_run_is_an_error_where_it_is_in_use() -> None:
    (finding,) = reported(with_nginx(BROKEN, pacer=False))["findings"]
    assert (finding["severity"], finding["title"]) == ("error", "The pacer does not run on g2")
    assert reported(with_nginx(BROKEN, pacer=None, memory=None))["findings"] == []


def test_a_prober_that_does_not_run_is_an_error_where_it_is_in_use() -> None:
    (finding,) = reported(with_nginx(BROKEN, prober=False))["findings"]
    assert (finding["severity"], finding["title"]) == ("error", "The prober does not run on g2")
    assert reported(with_nginx(BROKEN, prober=True))["findings"] == []


def test_a_guard_that_is_missing_is_a_warning() -> None:
    missing = "/usr/sbin/policy-rc.d is of somebody else"
    (finding,) = reported(with_nginx(BROKEN, unguarded=[missing]))["findings"]
    assert (finding["severity"], finding["title"]) == ("warning", "An upgrade by others may restart nginx on g2")
    assert finding["details"] == [f"g2: {missing}"]


def test_a_deploy_that_runs_is_a_warning_and_what_it_does_is_no_error() -> None:
    deploying: dict[str, t.Any] = {
        "deploying": True,
        "unfinished": "now",
        "left_out": True,
        "fingerprint": OTHER,
        "file": "not_loaded",
    }
    report = reported(changed(BROKEN, **deploying))
    (finding,) = report["findings"]
    assert (finding["severity"], finding["title"]) == ("warning", "A deploy is running on g2")


@pytest.mark.parametrize("state", ["loaded", None])
def test_a_certificate_that_nginx_presents_or_was_not_asked_for_is_no_finding(state: str | None) -> None:
    assert reported(certificate(state))["findings"] == []


@pytest.mark.parametrize(
    ("end", "words", "severity"),
    [
        ("2026-01-31T02:59:59Z", "has expired", "error"),
        ("2026-01-31T12:00:00Z", "expires in less than a day", "warning"),
        ("2026-02-14T03:00:00Z", "expires in 14 days", "warning"),
    ],
)
def test_a_certificate_that_expires_soon_is_a_warning(end: str, words: str, severity: str) -> None:
    (finding,) = reported(OTHERS, changed(BROKEN, 0, expires=end))["findings"]
    assert (finding["title"], finding["severity"]) == (f"The certificate of a.example {words}", severity)


def test_a_certificate_that_is_valid_for_long_is_no_finding() -> None:
    valid = {"expires": "2026-02-14T03:00:01Z", "valid_from": "2026-01-31T03:00:00Z"}
    assert reported(changed(BROKEN, 0, **valid))["findings"] == []
