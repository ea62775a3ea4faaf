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
  - The task fails when any of this fails, and the message says what happened and where. A refused connection, a name
    that does not resolve, a timeout with its step, a certificate that does not verify, a rejected C(Origin), a gateway
    that does not pass the upgrade on and a backend that is down have different messages.
  - The handshake offers only what the options say, in particular no extension such as C(permessage-deflate).
options:
  url:
    description:
      - The WebSocket to open, as V(ws://host[:port]/path?query) or V(wss://host[:port]/path?query).
      - The URL is logged with the task. Put secrets into O(headers), which are not logged.
    type: str
    required: true
  connect_to:
    description:
      - The address to connect to, if it is not the host and port of O(url).
      - V(host:port), V([IPv6]:port) or V(unix:/path). The C(Host) header and the TLS server name stay those of O(url).
      - Use it to probe one of several gateways behind a name, or a name that does not resolve to the gateway yet.
    type: str
  host:
    description:
      - The C(Host) header. The default is the host of O(url).
      - It does not change the TLS server name, see O(server_hostname).
    type: str
  server_hostname:
    description:
      - The name to send in the TLS handshake (SNI) and to check the certificate against.
      - The default is the host of O(url).
    type: str
  origin:
    description:
      - The C(Origin) header, for example V(https://www.example.com). Browsers always send one, other clients do not.
    type: str
  subprotocols:
    description:
      - The subprotocols to offer, the preferred one first.
      - The peer must choose one of them. RFC 6455 lets it choose none, but browsers reject such a connection.
    type: list
    elements: str
    default: []
  headers:
    description:
      - More headers of the handshake, such as C(Authorization) or C(Cookie).
      - Values are text or numbers. They never appear in logs or results. Any text that contains one is masked there
        too, so a very short value such as V(1) hides more than itself.
      - Headers of the handshake itself cannot be set here. For two of them there are O(origin) and O(subprotocols).
    type: dict
    default: {}
  send:
    description:
      - Text to send as one message once the WebSocket is open. A text message must come back.
    type: str
  expect:
    description:
      - The exact text message that must come, in reply to O(send) or, without O(send), on its own.
      - Other messages are ignored until the timeout, as many servers greet or broadcast.
      - Without it any text message is accepted as the reply to O(send).
    type: str
  ping:
    description:
      - Whether to send a ping and wait for the pong that any WebSocket server must return (RFC 6455 section 5.5.2).
      - It verifies that data gets through in both directions without knowing the application's protocol.
    type: bool
    default: false
  timeout:
    description:
      - The seconds that the whole probe may take, from resolving the name to the last message; at most V(3600).
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
      - A PEM file with the client certificate for a C(wss://) peer that requires one, and its intermediate
        certificates. It may contain the key too.
    type: path
    version_added: 0.4.0
  client_key:
    description:
      - A PEM file with the key of O(client_cert), if that does not contain it. It must not be encrypted.
    type: path
    version_added: 0.4.0
  proxy_protocol:
    description:
      - Whether the peer expects the PROXY protocol, as nginx does with the parameter of that name of C(listen).
      - The probe then begins with C(PROXY UNKNOWN), so its own address stays the client's.
    type: bool
    default: false
    version_added: 0.4.0
extends_documentation_fragment:
  - wsfleet.nginx.attributes
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return without.
    support: full
    details:
      - The probe changes nothing on the host, so it runs in check mode too.
      - The peer sees a connection, and O(send) if it is given.
  platform:
    description: Target operating systems.
    support: full
    platforms: posix
requirements:
  - Python 3.8 or newer on the host that runs the probe; only its standard library is used
notes:
  - The probe runs on the host of the task. Delegate the task to another host to probe from there.
  - Redirects are not followed, as WebSocket clients do not follow them. Proxies from the environment are not used, as
    the gateway itself is to be probed.
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

- name: Probe the route through this very gateway, before DNS points to it
  wsfleet.nginx.websocket_probe:
    url: wss://chat.example.com/ws/
    connect_to: 127.0.0.1:443
    origin: https://www.example.com
    ping: true

- name: Measure the round trip to the echo backend
  wsfleet.nginx.websocket_probe:
    url: ws://echo.example.com:3000/
    send: hello
    expect: hello
    timeout: 2
  register: echo

- name: Report how long a message takes
  ansible.builtin.debug:
    msg: "{{ echo.round_trip_ms }} ms there and back"

- name: Probe an API that requires a token and a subprotocol
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

- name: Verify that a foreign origin is rejected
  wsfleet.nginx.websocket_probe:
    url: wss://chat.example.com/ws/
    origin: https://evil.example.net
  register: foreign
  failed_when: foreign.status != 403
"""

RETURN = r"""
msg:
  description: Why the probe failed, and where.
  returned: failure
  type: str
  sample: "chat.example.com/ws/ at 192.0.2.10:443 returned 502 Bad Gateway: the gateway could not connect to the
    backend, or got an invalid response from it"
upgraded:
  description: Whether the opening handshake succeeded. The exchange of messages may still have failed.
  returned: unless the arguments are invalid
  type: bool
  sample: true
status:
  description: The HTTP status of the response, V(101) if the peer switched to WebSocket; V(null) without a response.
  returned: unless the arguments are invalid
  type: int
  sample: 101
reason:
  description:
    - The reason phrase that came with the status; may be empty.
    - With V(400), the reason on nginx's error page instead, such as V(No required SSL certificate was sent).
  returned: unless the arguments are invalid
  type: str
  sample: Switching Protocols
headers:
  description: The headers of the response, their names in lower case, repeated ones joined by a comma and a space.
  returned: unless the arguments are invalid
  type: dict
  sample:
    upgrade: websocket
    connection: Upgrade
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
subprotocol:
  description: The subprotocol that the peer chose from O(subprotocols), or V(null).
  returned: unless the arguments are invalid
  type: str
  sample: graphql-transport-ws
handshake_ms:
  description:
    - The milliseconds from the start of the probe to the end of the response's headers; V(null) without a response.
    - They include resolving the name, connecting, TLS and the HTTP exchange.
  returned: unless the arguments are invalid
  type: float
  sample: 4.217
round_trip_ms:
  description:
    - The milliseconds from sending O(send) to its reply or, without O(send), from the ping to its pong; V(null)
      if neither was sent, or nothing came back.
  returned: unless the arguments are invalid
  type: float
  sample: 0.846
expires:
  description:
    - When the certificate of the peer expires, verified or not; V(null) without TLS or where that failed.
  returned: unless the arguments are invalid
  type: str
  sample: "2027-01-31T12:00:00Z"
  version_added: 0.4.0
"""

import re
from typing import Any, Mapping, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_websocket
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Request, websocket_errors

RETURNED = (
    "upgraded",
    "status",
    "reason",
    "headers",
    "subprotocol",
    "handshake_ms",
    "round_trip_ms",
    "expires",
)
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
    """The headers to send, and errors in the given ones. Values are not printed: they may be secrets."""
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
        errors.append("host: headers has a Host too; give only one of them")
    elif not re.fullmatch(r"[!-~]+", host):
        errors.append(f"host: must be printable ASCII without spaces, got {host!r}")
    else:
        texts["Host"] = host
    return texts, errors


class Probe(NamedTuple):
    """A request, and the other arguments of probe_websocket."""

    request: Request
    exchange: dict[str, Any]


def probe_of(options: Mapping[str, Any]) -> tuple[Probe, list[str]]:
    """The probe of the module's options, and all errors in them."""
    rest = dict(options)
    headers, errors = request_headers(rest.pop("headers"), rest.pop("host"))
    send, expect, ping = (rest.pop(name) for name in ("send", "expect", "ping"))
    request = Request(headers=headers, **rest)
    errors += websocket_errors(request, send=send, expect=expect)
    return Probe(request, {"message": send, "expect": expect, "ping": ping}), errors


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    (request, exchange), errors = probe_of(module.params)
    if errors:
        module.fail_json(msg="; ".join(errors))

    outcome = probe_websocket(request, **exchange)
    result = {name: getattr(outcome, name) for name in RETURNED}
    if outcome.failure is not None:
        module.fail_json(msg=outcome.failure, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
