# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that speak a protocol of their own over WebSockets: MQTT, XMPP, STOMP, screens, terminals and updates."""

from __future__ import annotations

import functools
import os
import re

import pytest
from applications import PORTS, Message, Place, Way, run_client

OPEN = '<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="prosody.example" version="1.0"/>'
CONNECT = "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0"
SUBSCRIBE = "SUBSCRIBE\nid:0\ndestination:/queue/{queue}\nack:auto\n\n\0"
SEND = "SEND\ndestination:/queue/{queue}\n\n{text}\0"


@functools.cache
def heard_by_mqtt(way: Way) -> list[str]:
    """What the client hears at all ports of a gateway."""
    ports = [Way(way.gateway, port) for port in PORTS] if way.gateway else [way]
    urls = [port.to("mosquitto").origin for port in ports]
    command = ["python3", "clients/mqtt_client.py", way.to("mosquitto").address]
    return run_client(*command, *urls).splitlines()


def test_mqtt_by_mosquitto(way: Way) -> None:
    heard = heard_by_mqtt(Way(way.gateway))
    assert heard == ["65536"] * (len(PORTS) if way.gateway else 1)


def test_xmpp_by_prosody(way: Way) -> None:
    """RFC 7395. It is asked for by the name of its virtual host, and offers a login once it takes the way for safe."""
    heard = way.to("prosody").converse("/xmpp-websocket", [OPEN], until="stream:features", subprotocol="xmpp")
    assert "mechanism" in str(heard[-1])


def test_stomp_by_rabbitmq(way: Way) -> None:
    queue = re.sub(r"\W", "-", str(way))
    text = "x" * 65536
    messages = [CONNECT, SUBSCRIBE.format(queue=queue), SEND.format(queue=queue, text=text)]
    heard = way.to("rabbitmq").converse("/ws", messages, until="MESSAGE", subprotocol="v12.stomp")
    assert str(heard[0]).startswith("CONNECTED")
    assert text in str(heard[-1])


def test_a_screen_by_websockify(way: Way) -> None:
    screen = os.urandom(4096)
    assert way.to("websockify").converse("/websockify", [screen], subprotocol="binary") == [screen]


def run_in_terminal(place: Place) -> list[Message]:
    """As its page does: the size of the window first, then what is typed."""
    typed = [b'{"columns": 80, "rows": 24}', b"0echo $((6007 * 7001))\n"]
    return place.converse("/ws", typed, until="42055007", subprotocol="tty")


def test_a_terminal_by_ttyd(way: Way) -> None:
    assert b"42055007" in b"".join(part for part in run_in_terminal(way.to("ttyd")) if isinstance(part, bytes))


@pytest.mark.parametrize("origin", ["http://other.example", "http://ttyd.example:1"])
def test_a_terminal_that_checks_the_origin_is_for_its_own_page_alone(way: Way, origin: str) -> None:
    """It hangs up on others."""
    status = way.to("ttyd").handshake("/ws", origin=origin, subprotocol="tty")
    assert status == (502 if way.gateway else 0)


def test_the_hot_updates_of_vite(way: Way) -> None:
    place = way.to("vite")
    token = re.search(r'wsToken = "([\w-]+)"', place.get("/@vite/client").body.decode())
    assert token
    heard = place.converse(f"/?token={token[1]}", [], until="connected", subprotocol="vite-hmr")
    assert heard == ['{"type":"connected"}']


def test_vite_takes_no_requests_for_other_hosts() -> None:
    assert Way().to("vite").get("/", Host="other.example").status == 403


@pytest.mark.parametrize(
    ("application", "path", "subprotocol"),
    [
        ("tornado", "/ws", None),
        ("asgi", "/ws", None),
        ("channels", "/ws", None),
        ("express", "/ws", None),
        ("cable", "/cable", "actioncable-v1-json"),
        ("socketio", "/socket.io/?EIO=4&transport=websocket", None),
        ("mosquitto", "/mqtt", "mqtt"),
        ("prosody", "/xmpp-websocket", "xmpp"),
        ("websockify", "/websockify", "binary"),
        ("rabbitmq", "/ws", "v12.stomp"),
        ("vite", "/", "vite-ping"),
        ("ttyd", "/ws", "tty"),
    ],
)
def test_a_probe_as_the_documentation_has_it_is_answered(
    way: Way, application: str, path: str, subprotocol: str | None
) -> None:
    place = way.to(application)
    assert place.handshake(path, origin=place.origin, subprotocol=subprotocol) == 101
