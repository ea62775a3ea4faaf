# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An MQTT client over WebSocket: subscribes, publishes, and writes what it hears of that.

Usage: mqtt_client.py ADDRESS URL...          ADDRESS is where all names lead
"""

from __future__ import annotations

import queue
import socket
import ssl
import sys
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

SECONDS = 60
TOPIC = "scenario"
PAYLOAD = "x" * 65536


def converse(url: str) -> int:
    """The size of what comes back."""
    heard: queue.Queue[int] = queue.Queue()
    parts = urlsplit(url)
    client = Client(CallbackAPIVersion.VERSION2, transport="websockets")
    client.ws_set_options(path="/mqtt")
    if parts.scheme == "https":
        client.tls_set(cert_reqs=ssl.CERT_NONE)
        client.tls_insecure_set(True)

    def subscribe(_client: Client, *_arguments: object) -> None:
        client.subscribe(TOPIC)

    def publish(_client: Client, *_arguments: object) -> None:
        client.publish(TOPIC, PAYLOAD)

    def hear(_client: Client, _data: object, message: MQTTMessage) -> None:
        heard.put(len(message.payload))

    client.on_connect, client.on_subscribe, client.on_message = subscribe, publish, hear
    client.connect(str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80))
    client.loop_start()
    try:
        return heard.get(timeout=SECONDS)
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda _name, *arguments, **options: resolve(sys.argv[1], *arguments, **options)
    for place in sys.argv[2:]:
        print(converse(place))
