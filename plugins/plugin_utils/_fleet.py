# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run over many gateways went: what became of each, and which routes are verified."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.table import probe_table

# In the order they are printed: what needs somebody comes last, where a terminal ends.
_STATES = ("changed", "verified", "unchanged", "not started", "unreachable", "rolled back", "failed")
_IN_CHECK_MODE = {"changed": "would change"}

Facts = t.Mapping[str, t.Any]


class Outcome(t.NamedTuple):
    """What became of a gateway, and in words what was done or why not."""

    state: str
    words: str


class Summary(t.TypedDict):
    """Of all gateways of a run."""

    # Whether the run stops after this batch, and whether there is another one if it does not.
    stops: bool
    is_last: bool
    # Those of the batch that were lost.
    unreachable: list[str]
    text: str


def summary(gateways: t.Mapping[str, Facts], batch: t.Sequence[str], last: str, *, check_mode: bool = False) -> Summary:
    """Sum up what is known of all gateways after a batch; last is the gateway at the end of the last batch."""
    outcomes = {name: outcome(facts) for name, facts in gateways.items()}
    states = [outcomes[name].state for name in batch if name in outcomes]
    # Where nobody of a batch is left, nothing in it was verified.
    stops = bool({"failed", "rolled back"} & set(states)) or set(states) == {"unreachable"}
    probes = {name: _result(facts).get("probes") or () for name, facts in gateways.items()}
    table = probe_table({name: results for name, results in probes.items() if results})
    parts = [_counted(outcomes, check_mode), "\n".join(_lines(outcomes, check_mode)), table]
    return Summary(
        stops=stops,
        is_last=stops or last in batch,
        unreachable=[name for name in batch if name in outcomes and outcomes[name].state == "unreachable"],
        text="\n\n".join(part for part in parts if part),
    )


def outcome(facts: Facts) -> Outcome:
    """What became of one gateway."""
    failure, result = facts.get("__websockets_failure"), _result(facts)
    if failure is not None:
        return Outcome("rolled back" if failure.get("rolled_back") else "failed", _first_line(failure))
    for answer in (result, facts.get("__websockets_preflight", {})):
        if answer.get("unreachable"):
            return Outcome("unreachable", _first_line(answer))
    if "__websockets_result" not in facts:
        return Outcome("not started", "")
    unverified = _unverified(result)
    if result.get("changed"):
        return Outcome("changed", ", ".join([*result.get("actions", ()), *unverified]))
    return Outcome("verified" if result.get("probes") else "unchanged", ", ".join(unverified))


def _unverified(result: Facts) -> list[str]:
    """How many routes are served and not verified, where there are any."""
    number = sum(bool(probe.get("unverified")) for probe in result.get("probes") or ())
    return [f"{number} route{'' if number == 1 else 's'} not verified"] if number else []


def _result(facts: Facts) -> Facts:
    found: Facts = facts.get("__websockets_result", {})
    return found


def _first_line(answer: Facts) -> str:
    # Ansible's own introduction says nothing more.
    return str(answer.get("msg", "")).strip().partition("\n")[0].removeprefix("Task failed: ")


def _counted(outcomes: t.Mapping[str, Outcome], check_mode: bool) -> str:
    counts = {state: sum(outcome.state == state for outcome in outcomes.values()) for state in _STATES}
    named = [f"{number} {_shown(state, check_mode)}" for state, number in counts.items() if number]
    return f"{len(outcomes)} gateway{'' if len(outcomes) == 1 else 's'}: {', '.join(named)}"


def _lines(outcomes: t.Mapping[str, Outcome], check_mode: bool) -> t.Iterator[str]:
    """A line for all gateways of which the same is to be said."""
    groups = _by_value((found, name) for name, found in outcomes.items())
    width = max(len(_shown(found.state, check_mode)) for found in groups)
    for found in sorted(groups, key=lambda found: _STATES.index(found.state)):
        words = f": {found.words}" if found.words else ""
        yield f"{_shown(found.state, check_mode).ljust(width)}  {', '.join(groups[found])}{words}"


def _shown(state: str, check_mode: bool) -> str:
    return _IN_CHECK_MODE.get(state, state) if check_mode else state


class Verdict(t.TypedDict):
    """What is wrong with the variables of several gateways."""

    errors: str
    warnings: list[str]
    told: dict[str, list[str]]


def verdict(models: t.Mapping[str, Facts], told: t.Mapping[str, t.Sequence[str]]) -> Verdict:
    """Put the errors and the new warnings of several models together, given the warnings that were told before."""
    errors = {name: tuple(model["errors"]) for name, model in models.items()}
    warnings = {name: list(model.get("warnings", ())) for name, model in models.items()}
    new = [
        (warning, name) for name, found in warnings.items() for warning in found if warning not in told.get(name, ())
    ]
    paragraphs = [
        "\n- ".join([f"The variables of {', '.join(names)} have errors:", *found])
        for found, names in _by_value((found, name) for name, found in errors.items() if found).items()
    ]
    # Where there is one gateway, or all are alike, it goes without saying which.
    lines = [
        warning if len(names) == len(models) else f"{', '.join(names)}: {warning}"
        for warning, names in _by_value(new).items()
    ]
    return Verdict(errors="\n".join(paragraphs), warnings=lines, told=warnings)


_Value = t.TypeVar("_Value", bound=t.Hashable)


def _by_value(pairs: t.Iterable[tuple[_Value, str]]) -> dict[_Value, list[str]]:
    groups: dict[_Value, list[str]] = {}
    for value, name in pairs:
        groups.setdefault(value, []).append(name)
    return groups
