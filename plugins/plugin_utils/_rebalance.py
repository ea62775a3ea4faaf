# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a rebalance over many gateways, and its progress."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet

Facts = t.Mapping[str, t.Any]
_UNREACHABLE = "This gateway was unreachable, so its sockets are where they were."
_FEW_FORKS = (
    "Clients may have come back to other gateways: all {} have to be rebalanced at once, so run the playbook again "
    "with --forks {}."
)


class Rebalanced(t.TypedDict):
    """What to show at the end, and why the run fails for some gateways."""

    text: str
    failures: dict[str, str]


def progress(name: str, upstream: Facts) -> str:
    """How far an upstream of a gateway is."""
    servers = ", ".join(f"{server} {number}" for server, number in upstream["now"].items())
    return f"{name}: {upstream['name']}: {_sockets(upstream['closed'])} moved, {servers}"


def result(
    facts_of: t.Callable[[str], Facts | None], names: t.Iterable[str], forks: int, *, check_mode: bool
) -> Rebalanced:
    """The result for the gateways with these names; one that the run leaves out has no facts."""
    gateways = {name: facts for name in names if (facts := facts_of(name)) is not None}
    failures = {name: failure for name, facts in gateways.items() if (failure := _failure(facts))}
    lines: list[str] = []
    alike: dict[tuple[str, str], list[str]] = {}
    for name, facts in gateways.items():
        for upstream in _upstreams(facts):
            words = _words(upstream, check_mode)
            # What was moved differs from gateway to gateway.
            if upstream["state"] == "untouched" or words == "balanced already":
                alike.setdefault((upstream["name"], words), []).append(name)
            else:
                lines.append(f"{upstream['name']} on {name}: {words}.")
    lines += [f"{upstream} on {', '.join(names)}: {words}." for (upstream, words), names in alike.items()]
    if len(gateways) > forks and any("did not come back" in failure for failure in failures.values()):
        lines.append(_FEW_FORKS.format(len(gateways), len(gateways)))
    others = [name for name in failures if not _upstreams(gateways[name])]
    if others:
        lines.append(f"Not done on {', '.join(others)}: see below.")
    return Rebalanced(text="\n".join(lines), failures=failures)


def _words(upstream: Facts, check_mode: bool) -> str:
    """What became of the sockets of an upstream."""
    state, reason = upstream["state"], upstream["reason"]
    if state == "untouched":
        return f"nothing is moved: {reason}"
    if state == "balanced" and not upstream["closed"]:
        return "balanced already"
    if check_mode:
        servers = ", ".join(f"{server} {number}" for server, number in upstream["now"].items())
        return f"would move {_sockets(upstream['needed'])} or more ({servers})"
    moved = ", ".join(
        f"{server} {number} to {upstream['now'][server]}" for server, number in upstream["before"].items()
    )
    words = f"{_sockets(upstream['closed'])} moved ({moved})"
    return f"balanced, {words}" if state == "balanced" else f"not balanced, {words}: {reason}"


def _failure(facts: Facts) -> str:
    """Why the run fails for a gateway, or nothing."""
    if _fleet.is_unreachable(facts):
        return _UNREACHABLE
    rebalanced = facts.get("__websockets_rebalanced", {})
    if "msg" in rebalanced:
        return f"The sockets of this gateway are not balanced: {_fleet.reason(rebalanced)}"
    found = [upstream for upstream in _upstreams(facts) if upstream["state"] == "stopped"]
    stopped = [f"{upstream['name']}: {upstream['reason']}" for upstream in found]
    return f"Not balanced: {'; '.join(stopped)}." if stopped else ""


def _upstreams(facts: Facts) -> t.Sequence[Facts]:
    found: t.Sequence[Facts] = facts.get("__websockets_rebalanced", {}).get("upstreams", ())
    return found


def _sockets(number: int) -> str:
    return f"{number} socket{'' if number == 1 else 's'}"
