#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: websocket_probe
version_added: 0.1.0
short_description: Verify that a WebSocket can be opened
description:
  - Opens a WebSocket the way a browser or another client would (RFC 6455), checks the whole opening handshake,
    optionally exchanges a text message and a ping, and closes it again.
  - The task fails when any of this does not work, and the message says what happened in words to act on. Connection
    refused, a name that does not resolve, a time limit and the step it struck in, a certificate that does not verify,
    a refused C(Origin), a gateway that does not pass the upgrade on and a backend that is down all read differently.
  - Nothing is offered that the options do not ask for, in particular no extension such as C(permessage-deflate).
options:
  url:
    description:
      - The WebSocket to open, as V(ws://host[:port]/path?query) or V(wss://host[:port]/path?query).
      - The URL is logged with the task. A secret belongs into O(headers), which is not.
    type: str
    required: true
  connect_to:
    description:
      - Where the connection goes, if that is not the host and port of O(url).
      - V(host:port), V([IPv6]:port) or V(unix:/path). The C(Host) header and the TLS server name stay those of O(url).
      - This probes one gateway out of many behind a name, or a name that does not lead here yet.
    type: str
  host:
    description:
      - The C(Host) header, if it is not to be the host of O(url).
      - Does not change the TLS server name, see O(server_hostname).
    type: str
  server_hostname:
    description:
      - The name to ask for in the TLS handshake (SNI) and to check the certificate for.
      - The default is the host of O(url).
    type: str
  origin:
    description:
      - The C(Origin) header, for example V(https://www.example.com). Browsers always send one, other clients do not.
    type: str
  subprotocols:
    description:
      - The subprotocols to offer, the preferred one first.
      - The peer must choose one of them. RFC 6455 lets it choose none, but browsers refuse such a connection.
    type: list
    elements: str
    default: []
  headers:
    description:
      - More headers of the handshake, such as C(Authorization) or C(Cookie).
      - Values are text or numbers. They never appear in logs or results, and whatever equals or contains one is masked
        there too, so a very short value such as V(1) hides more than itself.
      - Headers that the handshake consists of cannot be set here, and O(origin) and O(subprotocols) have their options.
    type: dict
    default: {}
  send:
    description:
      - Text to send as one message once the WebSocket is open. A text message must come back.
    type: str
  expect:
    description:
      - The exact text message that must come, as the answer to O(send) or, without one, unasked.
      - Other messages are passed over until the time is up, as many servers greet or broadcast.
      - Without it any text message answers O(send).
    type: str
  ping:
    description:
      - Whether to send a ping, which any WebSocket server must answer with a pong (RFC 6455 section 5.5.2).
      - It verifies that data gets through in both directions without knowing what the application talks.
    type: bool
    default: false
  timeout:
    description:
      - The seconds that the whole probe may take, from resolving the name to the last answer; at most V(3600).
      - Waiting for the peer to close its side takes at most one second of it and is never a failure.
    type: float
    default: 5
  validate_certs:
    description:
      - Whether the certificate of a V(wss://) peer must verify.
    type: bool
    default: true
  ca_path:
    description:
      - A PEM file with the certificates of the CAs to trust, or a directory of such files prepared by
        C(openssl rehash).
      - The default is what the Python of the host trusts.
    type: path
  client_cert:
    description:
      - A PEM file with the certificate to show to a C(wss://) peer that asks for one, and those that lead to its
        CA. It may hold the key too.
    type: path
    version_added: 0.4.0
  client_key:
    description:
      - A PEM file with the key of O(client_cert), if that does not hold it. It must not be encrypted.
    type: path
    version_added: 0.4.0
  proxy_protocol:
    description:
      - Whether the peer expects the PROXY protocol, as nginx does with the parameter of that name of C(listen).
      - The probe begins with C(PROXY UNKNOWN) then, so its own address stays the client's.
    type: bool
    default: false
    version_added: 0.4.0
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return without.
    support: full
    details:
      - The probe changes nothing on the host, so it runs in check mode too.
      - The peer does see a connection, and O(send) if it is given.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing), when in diff mode.
    support: N/A
    details:
      - There is nothing to change.
  platform:
    description: Target operating systems.
    support: full
    platforms: posix
requirements:
  - Python 3.8 or newer on the host that runs the probe; nothing beside its standard library
notes:
  - The probe runs on the host that the task is for. Delegate it to another host to probe the way from there.
  - Redirects are not followed and proxies from the environment are not used, as WebSocket clients do not follow the
    former and a proxy would not probe the gateway.
seealso:
  - module: wsfleet.nginx.config_transaction
  - module: ansible.builtin.uri
  - name: RFC 6455, The WebSocket Protocol
    description: The handshake (section 4), frames (section 5) and the closing handshake (section 7).
    link: https://www.rfc-editor.org/rfc/rfc6455
  - name: nginx as a WebSocket proxy
    description: What a gateway must pass on.
    link: https://nginx.org/en/docs/http/websocket.html
author:
  - The wsfleet maintainers (@wsfleet)
"""

EXAMPLES = r"""
- name: Verify that the chat can be reached
  wsfleet.nginx.websocket_probe:
    url: wss://chat.example.com/ws/

- name: Probe the route through this very gateway, before DNS leads to it
  wsfleet.nginx.websocket_probe:
    url: wss://chat.example.com/ws/
    connect_to: 127.0.0.1:443
    origin: https://www.example.com
    ping: true

- name: Verify that the echo backend answers, and how fast
  wsfleet.nginx.websocket_probe:
    url: ws://echo.example.com:3000/
    send: hello
    expect: hello
    timeout: 2
  register: echo

- name: Say how long a message takes
  ansible.builtin.debug:
    msg: "{{ echo.round_trip_ms }} ms there and back"

- name: Probe an API that wants a token and a subprotocol
  wsfleet.nginx.websocket_probe:
    url: wss://api.example.com/v1/stream
    subprotocols: [graphql-transport-ws]
    headers:
      Authorization: "Bearer {{ api_token }}"

- name: Probe a backend behind a Unix socket
  wsfleet.nginx.websocket_probe:
    url: ws://localhost/ws
    connect_to: unix:/run/chat/ws.sock

- name: Probe a gateway behind a load balancer, for clients with certificates
  wsfleet.nginx.websocket_probe:
    url: wss://devices.example.com/
    connect_to: 192.0.2.10:443
    proxy_protocol: true
    client_cert: /etc/ssl/device.pem
    client_key: /etc/ssl/private/device.key

- name: Verify that a foreign origin is refused
  wsfleet.nginx.websocket_probe:
    url: wss://chat.example.com/ws/
    origin: https://evil.example.net
  register: foreign
  failed_when: foreign.status != 403
"""

RETURN = r"""
msg:
  description: What went wrong, and where.
  returned: failure
  type: str
  sample: "chat.example.com/ws/ at 192.0.2.10:443 answered 502 Bad Gateway: the gateway could not connect to the
    backend, or got nonsense from it"
upgraded:
  description: Whether the opening handshake succeeded. What came after it may still have failed.
  returned: unless the arguments are refused
  type: bool
  sample: true
status:
  description: The HTTP status of the answer, V(101) when the peer switched to WebSocket; V(null) without an answer.
  returned: unless the arguments are refused
  type: int
  sample: 101
reason:
  description:
    - The reason phrase that came with the status; may be empty.
    - With V(400), what nginx says on its page instead, such as V(No required SSL certificate was sent).
  returned: unless the arguments are refused
  type: str
  sample: Switching Protocols
headers:
  description: The headers of the answer, their names in lower case, repeated ones joined by a comma and a space.
  returned: unless the arguments are refused
  type: dict
  sample:
    upgrade: websocket
    connection: Upgrade
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
subprotocol:
  description: The subprotocol that the peer chose from O(subprotocols), or V(null).
  returned: unless the arguments are refused
  type: str
  sample: graphql-transport-ws
handshake_ms:
  description:
    - The milliseconds from the start of the probe to the end of the answer's headers; V(null) without an answer.
    - They take in resolving the name, connecting, TLS and the HTTP exchange.
  returned: unless the arguments are refused
  type: float
  sample: 4.217
round_trip_ms:
  description:
    - The milliseconds from sending O(send) to its answer or, without O(send), from the ping to its pong; V(null)
      when neither was sent or answered.
  returned: unless the arguments are refused
  type: float
  sample: 0.846
expires:
  description:
    - When the certificate that the peer showed ends, verified or not; V(null) without TLS or where that failed.
  returned: unless the arguments are refused
  type: str
  sample: "2027-01-31T12:00:00Z"
  version_added: 0.4.0
"""

import re
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_websocket
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Request, websocket_errors

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "connect_to": {"type": "str"},
    "host": {"type": "str"},
    "server_hostname": {"type": "str"},
    "origin": {"type": "str"},
    "subprotocols": {"type": "list", "elements": "str", "default": []},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "send": {"type": "str"},
    "expect": {"type": "str"},
    "ping": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 5.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "proxy_protocol": {"type": "bool", "default": False},
}


def request_headers(headers: dict[str, Any], host: str | None) -> tuple[dict[str, str], list[str]]:
    """The headers to send, and what is wrong with the ones given. Values are not printed: they may be secrets."""
    errors = []
    texts: dict[str, str] = {}
    for name, value in headers.items():
        if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            texts[name] = str(value)
        else:
            errors.append(f"headers[{name!r}]: must be text or a number, got {type(value).__name__}")
    if host is None:
        return texts, errors
    if any(name.lower() == "host" for name in headers):
        errors.append("host: the headers hold a Host too, give one of them")
    elif not re.fullmatch(r"[!-~]+", host):
        errors.append(f"host: must be printable ASCII without spaces, got {host!r}")
    else:
        texts["Host"] = host
    return texts, errors


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    options = dict(module.params)
    headers, errors = request_headers(options.pop("headers"), options.pop("host"))
    send, expect, ping = (options.pop(name) for name in ("send", "expect", "ping"))
    request = Request(headers=headers, **options)

    errors += websocket_errors(request, send=send, expect=expect)
    if errors:
        module.fail_json(msg="; ".join(errors))

    result = asdict(probe_websocket(request, message=send, expect=expect, ping=ping))
    for name in ("broke", "cause", "header_size"):
        del result[name]
    failure = result.pop("failure")
    if failure is not None:
        module.fail_json(msg=failure, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
