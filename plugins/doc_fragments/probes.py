# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option `probes`, as module_utils/_probe/argspec.py has it."""

    DOCUMENTATION = r"""
options:
  probes:
    description:
      - The routes to probe. All are probed in parallel, each within 5 seconds.
      - Before a route with O(probes[].backends) is probed through nginx, one of them is probed directly, and the others
        if that one gives no HTTP response. If none does, and one of them closes the connection or sends what nginx does
        not accept, then nothing is sent through nginx. nginx would count it as a failed attempt of the server, and
        would not send clients to it for a while.
      - A probe that fails is tried again for a second, as an upstream may have servers of several kinds. One whose
        status is 429 is tried again for 5 seconds, as the limits of a site count its probes too.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: The path of the route in the variables, for messages.
        type: str
        version_added: 0.2.0
      site:
        description: The site's name, for the result.
        type: str
        required: true
      path:
        description: The location's path, for the result.
        type: str
        required: true
      url:
        description:
          - The URL to request, as V(ws://HOST:PORT/PATH) or V(http://HOST:PORT/PATH), or with V(wss) or V(https).
          - Certificates are not verified. The route is probed, not its certificate.
        type: str
        required: true
      connect_to:
        description: Where nginx listens, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
        type: str
        required: true
      websocket:
        description:
          - V(true) and V(required) require a handshake to succeed. V(false) requires a response of a backend to plain
            HTTP, and a response to a handshake that is no upgrade.
          - With O(probes[].rule), whether the request is a handshake.
        type: raw
        choices: [true, false, required]
        required: true
      strict:
        description:
          - With V(false), a route is not verified, which is a warning, where the backends themselves return another
            status to the handshake, or close the connection. They may serve WebSocket at another path, or only to
            clients with credentials.
        type: bool
        default: true
        version_added: 0.6.0
      rule:
        description:
          - The request is one that nginx has to refuse by itself, and this is the rule that has it do so. The probe
            passes with one of O(probes[].refused_with). It is made once, through nginx, and never directly to backends.
          - It tells a response of nginx from that of a backend by the header C(Expect). A plain request announces a
            body that never comes, so that it reaches no backend even where nginx does not refuse it.
        type: str
        choices: [origin, host, upgrade, certificate, token]
        version_added: 0.11.0
      variable:
        description: The path of the variable that makes the rule, for messages.
        type: str
        version_added: 0.11.0
      refused_with:
        description: The statuses with which nginx refuses it.
        type: list
        elements: int
        default: []
        version_added: 0.11.0
      host:
        description: The C(Host) of the request, instead of that of O(probes[].url), which stays the name for TLS.
        type: str
        version_added: 0.11.0
      status:
        description: The status that plain HTTP must return. By default any that comes from a backend.
        type: int
        version_added: 0.2.0
      origin:
        description: The C(Origin) header of the request.
        type: str
        version_added: 0.2.0
      subprotocols:
        description: The subprotocols that the handshake offers. One of them must be chosen.
        type: list
        elements: str
        default: []
        version_added: 0.2.0
      headers:
        description: More headers of the request. They never appear in logs or results.
        type: dict
        default: {}
        version_added: 0.2.0
      send:
        description: Text to send as one message once the WebSocket is open. A text message must come back.
        type: str
        version_added: 0.2.0
      expect:
        description: The exact text message that must come, in reply to O(probes[].send) or, without one, on its own.
        type: str
        version_added: 0.2.0
      proxy_protocol:
        description: Whether nginx expects the PROXY protocol there. The probe then begins with C(PROXY UNKNOWN).
        type: bool
        default: false
        version_added: 0.4.0
      ssl_certificate:
        description: A PEM file of the gateway, the client certificate for a site that requires one.
        type: path
        version_added: 0.4.0
      ssl_certificate_key:
        description: A PEM file of the gateway, the key of O(probes[].ssl_certificate) if that does not contain it.
        type: path
        version_added: 0.4.0
      backends:
        description: The backends of the route, to distinguish an error of the deploy from one of a backend.
        type: dict
        version_added: 0.3.0
        suboptions:
          url:
            description: The URL that nginx requests from them, as in O(probes[].url).
            type: str
            required: true
          addresses:
            description: The addresses of some of them, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
            type: list
            elements: str
            required: true
          forwarded:
            description:
              - Headers that nginx sets about itself and its client, such as C(Host) and C(X-Forwarded-For). An empty
                one is not sent, even if O(probes[].headers) has it.
            type: dict
            default: {}
            version_added: 0.6.0
          headers:
            description: Other headers that nginx adds to the request. They never appear in logs or results.
            type: dict
            default: {}
          exact:
            description:
              - Whether nginx sends them exactly this request. With V(false), the route is probed through nginx once,
                regardless of their direct responses.
            type: bool
            default: true
            version_added: 0.6.0
          header_size:
            description: The size in bytes that nginx accepts for a response's header, from C(proxy_buffer_size).
            type: int
            default: 36864
            version_added: 0.6.0
          upstream:
            description: The name of the upstream that they are of, in lower case.
            type: str
            version_added: 0.11.0
          origins:
            description: Origins to try where they reject the handshake, for a hint to O(probes[].origin).
            type: list
            elements: str
            default: []
            version_added: 0.6.0
      wait:
        description:
          - The seconds for which a probe that fails is tried again.
          - An upstream that nginx resolves at run time has no servers until its name server first responds.
        type: float
        default: 0
        version_added: 0.2.0
"""
