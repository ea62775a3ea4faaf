# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run over many gateways: which ones it has, how far it is, the result of each, and which routes are verified."""

from __future__ import annotations

import difflib
import itertools
import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import abbreviated
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.table import probe_table

# In the order they are printed: what needs attention comes last, at the end of the terminal's output.
_STATES = ("changed", "verified", "unchanged", "removed", "not started", "unreachable", "rolled back", "failed")
_IN_CHECK_MODE = {"changed": "would change", "removed": "would remove"}

Facts = t.Mapping[str, t.Any]


class Outcome(t.NamedTuple):
    """The state of a gateway after the run, with what was done or why it failed, in one line."""

    state: str
    words: str
    # The whole message of a failure, if the line is not all of it.
    message: str = ""


class Summary(t.TypedDict):
    """Of all gateways of a run."""

    # Whether the run stops after this batch.
    stops: bool
    # The warnings of the hosts of the batch.
    warnings: list[str]
    # The state of all gateways or, if another batch follows, how far the run is.
    text: str


# What a task registers for a gateway with its result, in the order of the playbooks.
CALLS = ("__websockets_rotation", "__websockets_preflight", "websockets_result", "__websockets_left")


def is_unreachable(facts: Facts) -> bool:
    return any(facts.get(call, {}).get("unreachable") for call in CALLS)


def is_left_out(facts: Facts) -> bool:
    """Whether a playbook goes on without the gateway: it failed or became unreachable before."""
    result = _result(facts)
    # A deploy that failed in a playbook with a summary is one for Ansible too, which has dealt with it, in another one.
    failed = "msg" in result and not result.get("failed")
    return "__websockets_failure" in facts or failed or is_unreachable(facts)


def no_gateway(groups: t.Mapping[str, t.Sequence[str]], group: str, name: str, limit: str) -> str:
    """Why a playbook begins with a host that is not one of the gateways, or nothing if it is."""
    gateways = groups.get(group, ())
    if name in gateways:
        return ""
    if group not in groups:
        known = sorted(set(groups) - {"all", "ungrouped"})
        close = difflib.get_close_matches(group, known, n=1)
        meant = f", did you mean '{close[0]}'?" if close else "."
        others = f" It has: {abbreviated(known)}." if known else " It has no groups."
        return (
            f"no gateway: the inventory has no group '{group}'{meant}{others} Another group than ws_gateways is given "
            "with -e websockets_group=NAME."
        )
    if not gateways:
        return f"no gateway: the group '{group}' of the inventory has no hosts"
    if limit:
        return f"no gateway: with --limit {limit}, no host of the group '{group}' is left"
    return (
        f"no gateway: websockets_group is '{group}' in the inventory, but a play is given its hosts before those "
        f"variables are known; use -e websockets_group={group}, or vars of import_playbook"
    )


def summary(  # noqa: PLR0913
    facts_of: t.Callable[[str], Facts | None],
    names: t.Iterable[str],
    batch: t.Sequence[str],
    hosts: t.Sequence[str],
    *,
    check_mode: bool = False,
    continues: bool = False,
    serial: t.Sequence[str | int] = (),
) -> Summary:
    """Sum up a batch of the hosts of a play and, after the last batch, all gateways with these names. A gateway that
    the run leaves out has no facts.

    A run that continues after failures stops where a deploy was rolled back: the change itself failed.
    """
    gateways = {name: facts for name in batch if (facts := facts_of(name)) is not None}
    states = {name: outcome(facts).state for name, facts in gateways.items()}
    stops = "rolled back" in states.values()
    if not continues:
        # If all gateways of a batch became unreachable, nothing in it was verified.
        stops = stops or "failed" in states.values() or set(states.values()) == {"unreachable"}
    is_last = stops or not hosts or hosts[-1] in batch
    return Summary(
        stops=stops,
        warnings=_warnings(gateways),
        text=_text(facts_of, names, check_mode) if is_last else _progress(facts_of, batch, hosts, serial),
    )


def _progress(
    facts_of: t.Callable[[str], Facts | None],
    batch: t.Sequence[str],
    hosts: t.Sequence[str],
    serial: t.Sequence[str | int],
) -> str:
    """How far the run is after a batch that is not the last one. Without sizes of batches, nothing is known of that."""
    if not serial:
        return ""
    reached = max((hosts.index(name) for name in batch if name in hosts), default=-1) + 1
    states = [outcome(facts).state for name in hosts[:reached] if (facts := facts_of(name)) is not None]
    lost, failed = states.count("unreachable"), states.count("failed")
    ends = _batches(len(hosts), serial)
    number = next(number for number, end in enumerate(ends, 1) if reached <= end)
    size = str(serial[min(number, len(serial) - 1)]).replace("%", " %")
    counts = [f"{len(states) - lost - failed} of {len(hosts)} gateways done", f"{failed} failed"]
    if lost:
        counts.append(f"{lost} unreachable")
    return f"batch {number} of {len(ends)}: {', '.join(counts)}, next {size}"


def _batches(total: int, serial: t.Sequence[str | int]) -> list[int]:
    """How many hosts are through after each batch, as Ansible divides them with its keyword serial."""
    ends = [0]
    for size in itertools.chain(serial, itertools.repeat(serial[-1])):
        text = str(size)
        number = max(1, int(int(text[:-1]) / 100 * total)) if text.endswith("%") else int(text)
        ends.append(min(total, ends[-1] + number) if number > 0 else total)
        if ends[-1] == total:
            break
    return ends[1:]


def _text(facts_of: t.Callable[[str], Facts | None], names: t.Iterable[str], check_mode: bool) -> str:
    gateways = {name: facts for name in names if (facts := facts_of(name)) is not None}
    outcomes = {name: outcome(facts, check_mode=check_mode) for name, facts in gateways.items()}
    probes = {name: _result(facts).get("probes") or () for name, facts in gateways.items()}
    table = probe_table({name: results for name, results in probes.items() if results})
    warnings = _warnings(gateways)
    parts = [
        _counted(outcomes, check_mode) + _kept(gateways.values()),
        "\n".join(_lines(outcomes, check_mode)),
        table,
        "\n- ".join(["Warnings:", *map(_indented, warnings)]) if warnings else "",
        *_messages(outcomes),
    ]
    return "\n\n".join(part for part in parts if part)


def outcome(facts: Facts, *, check_mode: bool = False) -> Outcome:
    """The state of one gateway after the run."""
    failure, result = facts.get("__websockets_failure"), _result(facts)
    if failure is not None:
        return Outcome(_failed(failure), reason(failure), _whole(failure))
    for found in (result, facts.get("__websockets_preflight", {})):
        if found.get("unreachable"):
            return Outcome("unreachable", reason(found))
    if "websockets_result" not in facts:
        return Outcome("not started", "")
    if "msg" in result:
        return Outcome(_failed(result), reason(result), _whole(result))
    return _done(facts, check_mode)


def _done(facts: Facts, check_mode: bool) -> Outcome:
    result, removed = _result(facts), facts.get("__websockets_removed")
    if removed is not None:
        words = _removed(removed, result.get("actions", ()), check_mode)
        return Outcome("removed" if words else "unchanged", words)
    unverified = _unverified(result)
    if result.get("changed"):
        # Only in check mode is nginx still not installed.
        first = ["would install nginx"] if facts["__websockets_preflight"].get("nginx_version", "") is None else []
        return Outcome("changed", ", ".join([*first, *result.get("actions", ()), *unverified]))
    return Outcome("verified" if result.get("probes") else "unchanged", ", ".join(unverified))


def _removed(removed: Facts, actions: t.Sequence[str], check_mode: bool) -> str:
    done = ("would remove", "would stop", "would purge") if check_mode else ("removed", "stopped", "purged")
    remove, stop, purge = done
    words = [*actions, *(f"{remove} {path}" for path in removed["files"])]
    if removed["packages"]:
        packages = ", ".join(removed["packages"])
        # rpm keeps logs.
        with_logs = f"{purge} {packages} with /etc/nginx and /var/log/nginx"
        words += [f"{stop} nginx", f"{remove} {packages} with /etc/nginx" if removed.get("keeps_logs") else with_logs]
    elif words and removed["kept_for"]:
        words.append(f"nginx is kept for {abbreviated(removed['kept_for'])}")
    return ", ".join(words)


def _failed(result: Facts) -> str:
    return "rolled back" if result.get("rolled_back") else "failed"


def _unverified(result: Facts) -> list[str]:
    """How many routes are served but not verified, if any."""
    number = sum(bool(probe.get("unverified")) for probe in result.get("probes") or ())
    return [f"{number} route{'' if number == 1 else 's'} not verified"] if number else []


def _result(facts: Facts) -> Facts:
    found: Facts = facts.get("websockets_result", {})
    return found


# What the host printed, and what to set.
_REMEDIES = (
    (
        re.compile(r"\b(?:sudo|su|doas)\b.*(?:not found|No such file)|not in the sudoers file|not allowed to"),
        "connect as root and set ansible_become: false, or set ansible_become_method to one that the host has",
    ),
    (
        re.compile(r"[Pp]ython.*(?:not found|No such file|requires|required|version)|^SyntaxError|No module named"),
        "set ansible_python_interpreter to a Python 3.9 or later",
    ),
)


def reason(result: Facts) -> str:
    """Why a task failed, in one line."""
    said = _said(result).split("\n")
    # Set if a module printed no result. Ansible's own message then is "Module result deserialization failed".
    printed = "\n".join(str(result.get(stream) or "") for stream in ("module_stderr", "module_stdout"))
    # "Shared connection" is from ssh, at the end.
    lines = [line for line in map(str.strip, printed.splitlines()) if line and not line.startswith("Shared connection")]
    for known, remedy in _REMEDIES:
        # A module that runs on the controller has it in its own message.
        for line in (*lines, said[0]):
            if known.search(line):
                return f"{line}; {remedy}"
    return lines[-1] if lines else _first_cause(said)


def _said(result: Facts) -> str:
    """The message of a result, without Ansible's own prefix."""
    return str(result.get("msg", "")).strip().removeprefix("Task failed: ")


def _whole(result: Facts) -> str:
    """The message of a result, if it has several lines."""
    message = _said(result)
    return message if "\n" in message else ""


_REST = re.compile(r"and (\d+) more: ")


def _first_cause(lines: t.Sequence[str]) -> str:
    """What a message says that a line above it only introduces."""
    causes = [line[2:] for line in lines if line.startswith("- ")]
    if causes:
        # The last one of many only counts the rest.
        left = _REST.match(causes[-1])
        more = len(causes) - 1 + (int(left.group(1)) - 1 if left else 0)
        return f"{causes[0]}, and {more:,} more" if more else causes[0]
    return lines[1].strip() if lines[0].endswith(":") and lines[1:] else lines[0]


def _counted(outcomes: t.Mapping[str, Outcome], check_mode: bool) -> str:
    counts = {state: sum(outcome.state == state for outcome in outcomes.values()) for state in _STATES}
    named = [f"{number} {_shown(state, check_mode)}" for state, number in counts.items() if number]
    return f"{len(outcomes)} gateway{'' if len(outcomes) == 1 else 's'}: {', '.join(named)}"


def _kept(gateways: t.Iterable[Facts]) -> str:
    """How many connections an upgrade has kept, where it has exchanged a binary."""
    found = [result["kept"] for result in map(_result, gateways) if result.get("kept") is not None]
    return f"; {sum(found):,} connections of clients kept" if found else ""


def _lines(outcomes: t.Mapping[str, Outcome], check_mode: bool) -> t.Iterator[str]:
    """One line for all gateways with the same outcome."""
    groups = _by_value((found, name) for name, found in outcomes.items())
    width = max(len(_shown(found.state, check_mode)) for found in groups)
    for found in sorted(groups, key=lambda found: _STATES.index(found.state)):
        words = f": {found.words}" if found.words else ""
        yield f"{_shown(found.state, check_mode).ljust(width)}  {', '.join(groups[found])}{words}"


def _warnings(gateways: t.Mapping[str, Facts]) -> list[str]:
    """What modules noticed on the hosts."""
    found = (
        (str(notice), name)
        for name, facts in gateways.items()
        for result in (facts.get("__websockets_preflight", {}), facts.get("__websockets_failure") or _result(facts))
        for notice in result.get("notices", ())
    )
    return [f"{', '.join(names)}: {warning}" for names, warning in _grouped(dict.fromkeys(found))]


def _messages(outcomes: t.Mapping[str, Outcome]) -> t.Iterator[str]:
    """The whole message of each failure, once for all gateways that have it."""
    for message, names in _by_value((found.message, name) for name, found in outcomes.items()).items():
        if message:
            yield _indented(f"{', '.join(names)}:\n{message}")


def _indented(text: str) -> str:
    """All lines but the first one are indented."""
    return text.replace("\n", "\n  ")


def _shown(state: str, check_mode: bool) -> str:
    return _IN_CHECK_MODE.get(state, state) if check_mode else state


class Check(t.TypedDict):
    """What is wrong with the variables of several gateways."""

    errors: str
    warnings: list[str]


def check(models: t.Mapping[str, Facts]) -> Check:
    """Combine the errors and the warnings of several models, and add the errors between them."""
    errors = {name: tuple(model["errors"]) for name, model in models.items()}
    paragraphs = [
        "\n- ".join([f"Invalid variables for {', '.join(names)}:", *found])
        for found, names in _by_value((found, name) for name, found in errors.items() if found).items()
    ]
    found = [(warning, name) for name, model in models.items() for warning in model.get("warnings", ())]
    # A warning that applies to all gateways does not name them.
    warnings = [
        warning if len(names) == len(models) else f"{', '.join(names)}: {warning}" for names, warning in _grouped(found)
    ]
    return Check(errors="\n".join([*paragraphs, *_serial_differs(models)]), warnings=warnings)


def _grouped(warnings: t.Iterable[tuple[str, str]]) -> t.Iterator[tuple[t.Sequence[str], str]]:
    """Pairs of a warning and the name of a gateway: each warning with the names of all its gateways. Those that say the
    same of several subjects, such as "websockets_sites[0]: ...", are one.
    """
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for warning, names in _by_value(warnings).items():
        subject, colon, text = warning.partition(": ")
        # Without a subject, the warning is a group of its own.
        groups.setdefault((tuple(names), text if colon else warning), []).append(subject if colon else "")
    for (of, text), subjects in groups.items():
        yield of, f"{abbreviated(subjects)}: {text}" if subjects[0] else text


def _serial_differs(models: t.Mapping[str, Facts]) -> t.Iterator[str]:
    """Ansible's keyword serial belongs to a play, so all of its hosts share it."""
    by_serial = _by_value((tuple(model["serial"]), name) for name, model in models.items() if model["serial"])
    if len(by_serial) > 1:
        said = (f"{names[0]} {_shown_serial(serial)}" for serial, names in by_serial.items())
        yield f"websockets_serial differs: {', '.join(said)}; all gateways of a run need the same"


def _shown_serial(sizes: tuple[object, ...]) -> str:
    return str(sizes[0]) if len(sizes) == 1 else f"[{', '.join(map(str, sizes))}]"


_Value = t.TypeVar("_Value", bound=t.Hashable)


def _by_value(pairs: t.Iterable[tuple[_Value, str]]) -> dict[_Value, list[str]]:
    groups: dict[_Value, list[str]] = {}
    for value, name in pairs:
        groups.setdefault(value, []).append(name)
    return groups
