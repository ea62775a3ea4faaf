# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of all sizes come back as they were sent."""

from __future__ import annotations

import json
import os

import pytest
from applications import Way

SIZES = [128, 4 << 10, 16 << 10, 64 << 10, 1 << 20]


@pytest.mark.parametrize("application", ["tornado", "asgi", "channels", "express"])
def test_messages_come_back(way: Way, application: str) -> None:
    texts = ["x" * size for size in SIZES]
    contents = [os.urandom(size) for size in SIZES]
    messages = [message for pair in zip(texts, contents) for message in pair]
    assert way.to(application).converse("/ws", messages) == messages


def test_a_channel_of_action_cable_answers(way: Way) -> None:
    identifier = json.dumps({"channel": "EchoChannel"})
    subscribe = json.dumps({"command": "subscribe", "identifier": identifier})
    place = way.to("cable")
    answers = place.converse("/cable", [subscribe], until="confirm_subscription", subprotocol="actioncable-v1-json")
    assert json.loads(answers[0]) == {"type": "welcome"}
