# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the work of a call grows with what it is given, counted in instructions and not in seconds."""

from __future__ import annotations

import sys
import types
import typing as t

_SIZE = 8


def instructions(call: t.Callable[[], object]) -> int:
    """How many instructions of Python a call runs."""
    number = 0

    def trace(frame: types.FrameType, event: str, _argument: object) -> t.Any:
        nonlocal number
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        number += event == "opcode"
        return trace

    # What is cached by the first call is not counted.
    call()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return number


def for_each_pair(call: t.Callable[[int], t.Callable[[], object]]) -> float:
    """How many instructions there are for each pair of the items that a call is given: 0 where work grows in step with
    them, and some where a loop over them is within another one.
    """
    one, two, three = (instructions(call(_SIZE * times)) for times in (1, 2, 3))
    return (three - 2 * two + one) / _SIZE**2
