# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sockets of an upstream to end, so that its servers come to hold what their weights ask for.

Where a client that comes back goes is for nginx to say, and most do not go where they are missing. So no more sockets
are ended at a time than would be enough if all did, and then they are counted again.
"""

from __future__ import annotations

import math
import typing as t

# How far from what its weight asks for a server may be.
TOLERANCE = 0.1
# Of fewer sockets a server, a tenth is not even one.
FEWEST = 10
# How many clients may be away at a time: nobody knows yet whether they come back.
_AWAY, _FEW_AWAY = 0.1, 5
# How long to wait for them, and how many need not come back, as users go at any time.
PATIENCE = 60.0
_LOST = 0.1
# If so many should have gone where they are missing, and not even a quarter did, nginx sends them elsewhere.
_EXPECTED, _LEAST = 8, 0.25
_ROUNDING = 1e-9

Counts = t.Mapping[str, int]
Weights = t.Mapping[str, int]


class Found(t.NamedTuple):
    """The sockets of each server, how many of them can be ended, and the seconds since they were counted before."""

    counts: Counts
    closable: Counts
    seconds: float


class Progress(t.TypedDict):
    """Of one upstream, from call to call."""

    name: str
    # moving, balanced, stopped, or untouched; the reason of the last two.
    state: str
    reason: str
    # The sockets of each server at first and now, and how many have to be moved at least.
    before: dict[str, int]
    now: dict[str, int]
    needed: int
    closed: int
    # How many sockets there are once all clients have come back, and how many will not.
    total: int
    lost: int
    # By how much what is needed should have become less, and what it was at first.
    expected: float
    at_first: int
    # For how many seconds nobody has come back.
    waited: float


def begin(name: str, counts: Counts, weights: Weights, obstacle: str = "") -> Progress:
    total = sum(counts.values())
    reason = obstacle or _nothing_to_balance(total, weights)
    left = 0 if reason else needed(counts, weights, total)
    return Progress(
        name=name,
        state="untouched" if reason else "moving" if left else "balanced",
        reason=reason,
        before=dict(counts),
        now=dict(counts),
        needed=left,
        closed=0,
        total=total,
        lost=0,
        expected=0.0,
        at_first=left,
        waited=0.0,
    )


def _nothing_to_balance(total: int, weights: Weights) -> str:
    servers = sum(weight > 0 for weight in weights.values())
    if servers == 0 or len(weights) < 2:
        return "it has no second server that takes clients"
    if total < FEWEST * servers:
        sockets = f"{total} socket{'' if total == 1 else 's'}"
        return f"{sockets} on {servers} servers are too few to tell whether they are balanced"
    return ""


def step(progress: Progress, weights: Weights, found: Found, most: int) -> list[str]:
    """The servers of which to end a socket now, one for each time that it is named; none while clients have to come
    back, or when there is nothing left to do.
    """
    counts = found.counts
    total = sum(counts.values())
    away = max(0, progress["total"] - total)
    left = needed(counts, weights, max(total, progress["total"]))
    is_back = total > sum(progress["now"].values())
    progress["now"], progress["needed"] = dict(counts), left
    if left == 0:
        progress["state"] = "balanced"
        return []
    bearable = max(1.0, _LOST * progress["closed"])
    done = progress["at_first"] - left
    if away <= bearable and progress["expected"] >= _EXPECTED and done < _LEAST * progress["expected"]:
        stop(progress, _no_progress(counts, weights, progress["closed"]))
        return []
    room = min(left, max(_FEW_AWAY, int(_AWAY * total))) - away
    if room > 0:
        chosen = _fullest(found, weights, max(total, progress["total"]), min(room, most))
        progress["waited"] = 0.0
        progress["closed"] += len(chosen)
        progress["expected"] += len(chosen) * _share(counts, weights, max(total, progress["total"]))
        return chosen
    progress["waited"] = 0.0 if is_back else progress["waited"] + found.seconds
    if progress["waited"] >= PATIENCE:
        progress["lost"] += away
        progress["total"], progress["waited"] = total, 0.0
        if progress["lost"] > bearable:
            stop(
                progress,
                f"{progress['lost']} of the {progress['closed']} clients whose sockets were closed did not come back "
                f"to this gateway within {PATIENCE:g} s",
            )
    return []


def stop(progress: Progress, reason: str) -> None:
    progress["state"], progress["reason"] = "stopped", reason


def needed(counts: Counts, weights: Weights, total: int) -> int:
    """How many sockets have to be moved at least, until each server is within the tolerance."""
    over, under = _beyond(counts, weights, total)
    return max(sum(over.values()), sum(under.values()))


class _Range(t.NamedTuple):
    """How many sockets a server should have, and how many are within the tolerance."""

    wanted: float
    least: int
    most: int


def _ranges(weights: Weights, total: int) -> dict[str, _Range]:
    """By the weights. A server without one, which is a backup server, should have none."""
    found = {}
    for server, weight in weights.items():
        wanted = total * weight / sum(weights.values())
        allowed = max(1.0, TOLERANCE * wanted) if weight else 0.0
        least, most = math.ceil(wanted - allowed - _ROUNDING), math.floor(wanted + allowed + _ROUNDING)
        found[server] = _Range(wanted, least, most)
    return found


def _beyond(counts: Counts, weights: Weights, total: int) -> tuple[dict[str, int], dict[str, int]]:
    """The servers with more than the tolerance allows, and those with less; each with how many."""
    ranges = _ranges(weights, total)
    over = {server: counts[server] - of.most for server, of in ranges.items() if counts[server] > of.most}
    under = {server: of.least - counts[server] for server, of in ranges.items() if counts[server] < of.least}
    return over, under


def _fullest(of_now: Found, weights: Weights, total: int, number: int) -> list[str]:
    """The fullest server for each of so many sockets. None comes to have fewer than it should."""
    ranges, left = _ranges(weights, total), dict(of_now.counts)
    found: list[str] = []
    while len(found) < number:
        full = [
            server
            for server, of in ranges.items()
            if left[server] > of.wanted and of_now.counts[server] - left[server] < of_now.closable[server]
        ]
        if not full:
            break
        found.append(max(full, key=lambda server: left[server] - ranges[server].most))
        left[found[-1]] -= 1
    return found


def _share(counts: Counts, weights: Weights, total: int) -> float:
    """Of clients that nginx distributes by weight, the share that makes what is needed less."""
    over, under = _beyond(counts, weights, total)
    share = sum(weights[server] for server in under or over) / sum(weights.values())
    return share if under else 1 - share


def _no_progress(counts: Counts, weights: Weights, closed: int) -> str:
    over, under = _beyond(counts, weights, sum(counts.values()))
    if under:
        where = f"nginx sends too few of them to {', '.join(under)}: is it reachable, and below its max_conns?"
    else:
        where = f"nginx sends most of them to {', '.join(over)} again"
    return f"{closed} clients were moved, and {where}"
