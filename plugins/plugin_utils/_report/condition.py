# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with gateways beside their routes: what is live, unfinished deploys, nginx itself, and certificates."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.memory import megabytes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import certificate
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Finding,
    Gateway,
    Generation,
    Nginx,
    abbreviated,
    counted,
    finding,
    short,
)

# As many names as a title has.
_NAMED = 3
_Gateways = t.Sequence[Gateway]
_Is = t.Callable[[Gateway], object]


class _Rule(t.NamedTuple):
    """A finding of all gateways for which it holds."""

    is_so: _Is
    severity: str
    kind: str
    # With a place for the names of the gateways.
    title: str
    text: str
    # A line for a gateway; without one, the title says all.
    detail: t.Callable[[Gateway], str] | None = None


def findings(gateways: _Gateways, now: datetime) -> t.Iterator[Finding]:
    """Those of gateways that were reached; now is in UTC."""
    for rule in _RULES:
        found = [gateway for gateway in gateways if rule.is_so(gateway)]
        if found:
            names = [gateway["name"] for gateway in found]
            yield finding(
                rule.severity,
                rule.kind,
                rule.title.format(abbreviated(names)),
                rule.text,
                details=[f"{gateway['name']}: {rule.detail(gateway)}" for gateway in found] if rule.detail else (),
                gateways=names,
            )
    yield from _certificate_files(gateways)
    yield from _certificates(gateways, now)


def _nginx(is_so: t.Callable[[Nginx], object]) -> _Is:
    return lambda gateway: gateway["nginx"] and is_so(gateway["nginx"])


def _of_nginx(words: t.Callable[[Nginx], str]) -> t.Callable[[Gateway], str]:
    return lambda gateway: words(gateway["nginx"]) if gateway["nginx"] else ""


def _is_silent(gateway: Gateway) -> bool:
    """Whether nothing tells which configuration is live, for a reason that no other finding has."""
    nginx = gateway["nginx"]
    return not gateway["fingerprint"] and not gateway["holder"] and bool(nginx) and not (nginx and nginx["orphans"])


def _is_settled(gateway: Gateway) -> bool:
    """Whether nginx reports its configuration, and no deploy is the reason that it is not the expected one."""
    return bool(gateway["fingerprint"]) and not gateway["unfinished"] and not gateway["deploying"]


def _file(state: str) -> _Is:
    return lambda gateway: gateway["file"] == state and _is_settled(gateway)


def _is_other(gateway: Gateway) -> bool:
    """Whether it serves, as it was deployed, what its variables do not say."""
    differs = gateway["expected"] is not None and gateway["fingerprint"] != gateway["expected"]
    return differs and gateway["file"] in ("live", None) and _is_settled(gateway)


def _is_old(nginx: Nginx, installed: str | None) -> bool:
    return nginx["is_replaced"] or bool(nginx["replaced"]) or nginx["version"] not in (None, installed)


def _versions(gateway: Gateway) -> str:
    """Which nginx runs and which is installed; where both are one, which of its libraries and modules are others."""
    nginx = gateway["nginx"]
    if nginx is None:
        return ""
    now, installed = nginx["version"], gateway["nginx_version"]
    if now in (None, installed) and nginx["package"] and nginx["installed_package"]:
        # A security update of a distribution has the same version of nginx.
        now, installed = nginx["package"], nginx["installed_package"]
    if now == installed and nginx["replaced"]:
        return f"nginx {now} runs with earlier versions of {', '.join(nginx['replaced'])}"
    return f"nginx {now or 'of an unknown version'} runs, {installed} is installed"


def _generations(nginx: Nginx) -> str:
    return "; ".join(map(_generation, nginx["generations"]))


def _generation(one: Generation) -> str:
    sockets = "" if one["sockets"] is None else f", {counted(one['sockets'], 'open socket')}"
    memory = "" if one["bytes"] is None else f", {megabytes(one['bytes'])}"
    return f"since {one['since']} {counted(one['workers'], 'worker')}{sockets}{memory}"


def _is_short(nginx: Nginx) -> bool:
    memory = nginx["memory"]
    return bool(nginx["generations"]) and memory is not None and memory["available"] < memory["needed"]


def _room(nginx: Nginx) -> str:
    memory = nginx["memory"]
    if memory is None:
        return ""
    return f"{megabytes(memory['available'])} available, {megabytes(memory['needed'])} for a full generation"


_RULES = (
    _Rule(
        lambda gateway: gateway["deploying"],
        "warning",
        "deploy",
        "A deploy is running on {}",
        "What was found there may be of its middle. Verify again when it has ended.",
    ),
    _Rule(
        lambda gateway: gateway["unfinished"] and not gateway["deploying"],
        "error",
        "deploy",
        "A deploy was not completed on {}",
        "It was killed, or the host lost its power. nginx serves the configuration before or after it. Run "
        "playbooks/site.yml, which completes it.",
        lambda gateway: f"begun at {gateway['unfinished']}",
    ),
    _Rule(
        lambda gateway: gateway["left_out"] and not gateway["deploying"],
        "error",
        "deploy",
        "A deploy has left {} out of the load balancers",
        "It was killed, or the host lost its power. websockets_health_path returns 503, so no new clients come. Run "
        "playbooks/site.yml, which brings it back.",
    ),
    _Rule(
        lambda gateway: gateway["nginx"] is None,
        "error",
        "nginx",
        "nginx cannot be run on {}",
        "It is not installed, or its binary does not start: see nginx -V. playbooks/site.yml installs and starts it.",
    ),
    _Rule(
        lambda gateway: gateway["holder"],
        "error",
        "nginx",
        "Another program listens at websockets_status_listen instead of nginx on {}",
        "So nothing tells which configuration is live, and nginx does not start with that address. Stop the program, "
        "and run playbooks/site.yml.",
        lambda gateway: gateway["holder"] or "",
    ),
    _Rule(
        lambda gateway: _is_silent(gateway) and _nginx(lambda nginx: nginx["master"] is None)(gateway),
        "error",
        "nginx",
        "nginx does not run on {}",
        "systemctl status nginx and nginx's error log say why. playbooks/site.yml starts it.",
    ),
    _Rule(
        lambda gateway: _is_silent(gateway) and _nginx(lambda nginx: nginx["master"] is not None)(gateway),
        "error",
        "configuration",
        "nginx does not report its configuration on {}",
        "It runs, but serves no configuration of this role at websockets_status_listen: run playbooks/site.yml to "
        "deploy it.",
    ),
    _Rule(
        _nginx(lambda nginx: nginx["orphans"]),
        "error",
        "nginx",
        "Workers of nginx whose master was killed still serve on {}",
        "They serve what they have loaded, nothing reloads them, and they hold the ports of an nginx that starts. "
        "playbooks/site.yml starts nginx, and lets them keep their open connections.",
        _of_nginx(lambda nginx: counted(nginx["orphans"], "worker")),
    ),
    _Rule(
        lambda gateway: (
            gateway["fingerprint"] and _nginx(lambda nginx: not nginx["is_recorded"] and not nginx["orphans"])(gateway)
        ),
        "error",
        "nginx",
        "nginx runs, but its pid file does not name its master on {}",
        "Its service and the rotation of its logs cannot signal it. Write the process id of `nginx: master process` to "
        "the file that `pid` in nginx.conf names.",
    ),
    _Rule(
        _nginx(lambda nginx: nginx["earlier_master"]),
        "error",
        "nginx",
        "An upgrade of nginx's binary was not completed on {}",
        "The earlier master can still take over again. The playbook upgrade completes it or takes it back, and so does "
        "the next deploy.",
        _of_nginx(lambda nginx: f"the earlier master is process {nginx['earlier_master']}"),
    ),
    _Rule(
        lambda gateway: _nginx(lambda nginx: _is_old(nginx, gateway["nginx_version"]))(gateway),
        "error",
        "nginx",
        "nginx runs in another version than the installed one on {}",
        "Its package, or that of a module or library, was upgraded, and nginx has not loaded the new files: what was "
        "fixed is not in force. The playbook wsfleet.nginx.upgrade has it do so, and keeps the open WebSockets; a "
        "restart closes them.",
        _versions,
    ),
    _Rule(
        _nginx(lambda nginx: nginx["shortfalls"]),
        "error",
        "nginx",
        "The limits of nginx are too low for websockets_capacity on {}",
        "New clients are refused before that many are connected. playbooks/site.yml sets nginx.conf; a limit of the "
        "service holds from the next start of nginx on.",
        _of_nginx(lambda nginx: "; ".join(nginx["shortfalls"])),
    ),
    _Rule(
        _nginx(lambda nginx: nginx["is_enabled"] is False),
        "error",
        "nginx",
        "nginx does not start at boot on {}",
        "After a reboot it does not serve: systemctl enable nginx, or update-rc.d nginx enable without systemd. With "
        "websockets_manage_service: false this is not checked.",
    ),
    _Rule(
        _nginx(lambda nginx: nginx["unguarded"]),
        "warning",
        "nginx",
        "An upgrade by others may restart nginx on {}",
        "It would close every WebSocket. playbooks/site.yml writes what is missing of websockets_guard_upgrades, but "
        "leaves files of somebody else.",
        _of_nginx(lambda nginx: ", ".join(nginx["unguarded"])),
    ),
    _Rule(
        lambda gateway: gateway["errors"],
        "error",
        "configuration",
        "The variables do not suit the installed nginx on {}",
        "playbooks/site.yml refuses to deploy them. Change the variables, or the version of nginx.",
        lambda gateway: f"nginx {gateway['nginx_version']}: {'; '.join(gateway['errors'])}",
    ),
    _Rule(
        _is_other,
        "error",
        "configuration",
        "The live configuration is not what the variables say on {}",
        "They were changed since the last deploy, a deploy was rolled back, or nginx was upgraded. Run "
        "playbooks/site.yml to deploy what they say; with --check --diff it shows what would change.",
        lambda gateway: f"{short(gateway['fingerprint'])} is live, {short(gateway['expected'])} is what they say",
    ),
    _Rule(
        _file("not_loaded"),
        "error",
        "configuration",
        "The file is not what nginx serves on {}",
        "It was changed by hand, or nginx rejected it: see nginx -t and nginx's error log. The next reload or restart "
        "would load it. Run playbooks/site.yml to deploy it again.",
    ),
    _Rule(
        _file("edited"),
        "error",
        "configuration",
        "The file is not as the last deploy left it on {}",
        "It was changed by hand, and nginx serves the change. The next run of playbooks/site.yml overwrites it: put it "
        "into the variables first, if it is to stay.",
    ),
    _Rule(
        _file("missing"),
        "error",
        "configuration",
        "The file is missing on {}",
        "It was removed, and nginx serves it until it reloads or restarts. Run playbooks/site.yml to write it.",
    ),
    _Rule(
        _nginx(lambda nginx: nginx["pacer"] is False),
        "error",
        "nginx",
        "The pacer does not run on {}",
        "It ends the sockets of old workers at websockets_reconnect_rate. Without it nginx closes all that are left at "
        "once, some minutes later than websockets_worker_shutdown_timeout. See systemctl status wsfleet-pacer; "
        "playbooks/site.yml starts it.",
    ),
    _Rule(
        _nginx(lambda nginx: nginx["prober"] is False),
        "error",
        "nginx",
        "The prober does not run on {}",
        "Its figures stay as they are, so that no alarm comes of a route that fails. See systemctl status "
        "wsfleet-prober; playbooks/site.yml starts it.",
    ),
    _Rule(
        _nginx(_is_short),
        "warning",
        "nginx",
        "The memory may not be enough for one more deploy on {}",
        "Earlier generations of nginx's workers keep their memory until they end, and a deploy that changes something "
        "makes one more of them. If websockets_capacity clients come to the new workers, the memory runs out. Deploy "
        "when the earlier ones have ended, give the host more memory, or set a shorter "
        "websockets_worker_shutdown_timeout.",
        _of_nginx(_room),
    ),
    _Rule(
        _nginx(lambda nginx: nginx["generations"]),
        "note",
        "nginx",
        "Earlier generations of nginx's workers still have open sockets on {}",
        "That is normal after a deploy, which closes no socket: new clients come to the workers with the new "
        "configuration, and those of before keep the sockets that they have. They end with the last one. From "
        "websockets_worker_shutdown_timeout on, what is left is closed, websockets_reconnect_rate sockets a second.",
        _of_nginx(_generations),
    ),
)
_FILES = {
    "not_loaded": (
        "is not the one that nginx presents",
        "It was renewed, and nginx presents the one before until it reloads. playbooks/site.yml reloads it.",
    ),
    "missing": (
        "has no file",
        "nginx presents what it has loaded, but does not load its configuration again or start without the file.",
    ),
    "invalid": (
        "cannot be read from its file",
        "nginx presents what it has loaded, but does not load its configuration again or start with that file.",
    ),
}


def _certificate_files(gateways: _Gateways) -> t.Iterator[Finding]:
    for state, (words, text) in _FILES.items():
        sites: dict[str, dict[str, str]] = {}
        for gateway in gateways:
            for file in gateway["certificates"]:
                if file["state"] == state:
                    sites.setdefault(file["site"], {})[gateway["name"]] = file["path"]
        if sites:
            names = dict.fromkeys(name for files in sites.values() for name in files)
            yield finding(
                "error",
                "certificate",
                f"The certificate of {abbreviated(list(sites))} {words} on {abbreviated(list(names))}",
                text,
                details=[
                    f"{site}: {path} on {abbreviated([name for name, own in files.items() if own == path])}"
                    for site, files in sites.items()
                    for path in dict.fromkeys(files.values())
                ],
                gateways=names,
            )


class _Period(t.NamedTuple):
    """What is wrong with the period of a certificate."""

    severity: str
    words: str
    text: str


def _certificates(gateways: _Gateways, now: datetime) -> t.Iterator[Finding]:
    found: dict[_Period, dict[str, dict[str, None]]] = {}
    for gateway in gateways:
        for route in gateway["routes"]:
            result = route["gateway"]
            period = result and _period(result["valid_from"], result["expires"], now)
            if period:
                found.setdefault(period, {}).setdefault(route["site"], {})[gateway["name"]] = None
    for period, sites in sorted(found.items(), key=lambda item: item[0].text):
        names = dict.fromkeys(name for members in sites.values() for name in members)
        yield finding(
            period.severity,
            "certificate",
            f"The certificate of {abbreviated(list(sites))} {period.words}",
            period.text,
            details=list(sites) if len(sites) > _NAMED else (),
            gateways=names,
        )


def _period(valid_from: str | None, expires: str | None, now: datetime) -> _Period | None:
    if valid_from and certificate.parse_time(valid_from) > now:
        why = "clients reject it until then. Check the clock of the host that issued it"
        return _Period("error", "is not valid yet", f"It is valid from {valid_from}: {why}.")
    if not expires or certificate.parse_time(expires) > now + certificate.RENEWAL_PERIOD:
        return None
    left = certificate.parse_time(expires) - now
    if left.total_seconds() <= 0:
        return _Period("error", "has expired", f"It expired at {expires}: clients reject it. Renew it.")
    return _Period("warning", f"expires in {_days(left.days)}", f"It expires at {expires}: renew it.")


def _days(number: int) -> str:
    return "less than a day" if number == 0 else counted(number, "day")
