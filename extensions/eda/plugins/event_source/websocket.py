# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events of WebSockets that come up, go down or get slow, for ansible-rulebook."""

from __future__ import annotations

import asyncio
import random
import sys
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

# ansible-rulebook runs this file by its path, and the collection need not be where Python looks for it.
_COLLECTIONS = str(Path(__file__).absolute().parents[7])
if _COLLECTIONS not in sys.path:
    sys.path.append(_COLLECTIONS)

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_websocket
from ansible_collections.wsfleet.nginx.plugins.modules.websocket_probe import (
    ARGUMENT_SPEC,
    Probe,
    probe_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Outcome

DOCUMENTATION = r"""
---
name: websocket
short_description: Events of WebSockets that come up, go down or get slow
version_added: 0.11.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Opens WebSockets at an interval, each by the handshake of the module C(wsfleet.nginx.websocket_probe).
  - An event is sent when the state of one has changed and its probes have had the same result so many times in a row.
    It has the key C(websocket), with C(name), C(url), C(state), which is C(up), C(down) or C(slow), the C(previous)
    state, V(null) in the first event, and of the last probe C(failure), C(status), C(handshake_ms), C(round_trip_ms)
    and C(expires).
options:
  probes:
    description:
      - The WebSockets, each with the options of the module C(wsfleet.nginx.websocket_probe), and a C(name) for the
        events, by default its C(url). Headers appear in no event and no message.
    type: list
    elements: dict
    required: true
  interval:
    description: The seconds from one probe of a WebSocket to the next one.
    type: float
    default: 10
  consecutive:
    description: How many probes in a row must have the same result before the state changes.
    type: int
    default: 3
  slow_ms:
    description: More milliseconds than this from the start of a probe to the response are C(slow). By default none are.
    type: float
"""

EXAMPLES = r"""
- wsfleet.nginx.websocket:
    interval: 5
    slow_ms: 500
    probes:
      - name: server01
        url: ws://server01:3000/
        send: hello
"""

_SPEC: dict[str, t.Any] = {
    "probes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str"}, **ARGUMENT_SPEC},
    },
    "interval": {"type": "float", "default": 10.0},
    "consecutive": {"type": "int", "default": 3},
    "slow_ms": {"type": "float"},
}
_AT_ONCE = 64


class Queue(t.Protocol):
    """What ansible-rulebook takes events from."""

    async def put(self, event: dict[str, t.Any]) -> None: ...


@dataclass
class Watched:
    """A WebSocket, its state, and the results that may change it."""

    name: str
    probe: Probe
    consecutive: int
    slow_ms: float | None
    state: str | None = None
    found: str | None = None
    times: int = 0

    def outcome(self) -> Outcome:
        request, exchange = self.probe
        return probe_websocket(request, **exchange)

    def event(self, outcome: Outcome) -> dict[str, t.Any] | None:
        """The event of an outcome, if the state changes with it."""
        found = self._state(outcome)
        self.times = self.times + 1 if found == self.found else 1
        self.found = found
        if found == self.state or self.times < self.consecutive:
            return None
        previous, self.state = self.state, found
        return {
            "websocket": {
                "name": self.name,
                "url": self.probe.request.url,
                "state": found,
                "previous": previous,
                "failure": outcome.failure,
                "status": outcome.status,
                "handshake_ms": outcome.handshake_ms,
                "round_trip_ms": outcome.round_trip_ms,
                "expires": outcome.expires,
            }
        }

    def _state(self, outcome: Outcome) -> str:
        if outcome.failure is not None:
            return "down"
        is_slow = self.slow_ms is not None and (outcome.handshake_ms or 0) > self.slow_ms
        return "slow" if is_slow else "up"


async def main(queue: Queue, args: dict[str, t.Any]) -> None:
    """Probe the WebSockets until the task is cancelled."""
    watched, interval = _checked(args)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(_AT_ONCE) as executor:

        async def watch(item: Watched) -> None:
            # Not all in the same moment, and not all rulebooks.
            await asyncio.sleep(random.uniform(0, interval))
            while True:
                start = loop.time()
                event = item.event(await loop.run_in_executor(executor, item.outcome))
                if event:
                    await queue.put(event)
                await asyncio.sleep(max(0, start + interval - loop.time()))

        await asyncio.gather(*map(watch, watched))


def _checked(args: t.Mapping[str, t.Any]) -> tuple[list[Watched], float]:
    """The WebSockets and the interval, given the options of the source."""
    result = ArgumentSpecValidator(_SPEC).validate(dict(args))
    errors, options = list(result.error_messages), result.validated_parameters
    if not errors:
        errors = [
            f"{name}: must be more than 0, got {options[name]}"
            for name in ("interval", "consecutive")
            if options[name] <= 0
        ]
    watched = []
    for number, given in enumerate([] if errors else options["probes"]):
        name = given.pop("name") or given["url"]
        probe, found = probe_of(given)
        errors += [f"probes[{number}].{error}" for error in found]
        watched.append(Watched(name, probe, options["consecutive"], options["slow_ms"]))
    if errors:
        raise ValueError("; ".join(errors))
    return watched, options["interval"]
