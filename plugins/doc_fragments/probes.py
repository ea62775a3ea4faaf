# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option that module_utils/probe_option.py gives to modules."""

    DOCUMENTATION = r"""
options:
  probes:
    description:
      - The routes to probe. All are run at once, each within 5 seconds.
      - Before a route with O(probes[].backends) is asked through nginx, one of them is asked directly, and the others
        where that one gives no HTTP response. If none does, and one of them closes the connection or sends what nginx
        does not take, then nothing is sent through nginx. It would count that against the server, and clients would
        lose it for a while.
      - One that fails is tried again for a second, as an upstream may have servers of several kinds, and one that is
        answered 429 for 5 seconds, as the limits of a site count its probes too.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: The place of the route in the operator's variables, for the message where it is not verified.
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
          - What to ask for, as V(ws://HOST:PORT/PATH) or V(http://HOST:PORT/PATH), or with V(wss) or V(https).
          - Certificates are not verified. The probe is one of the route.
        type: str
        required: true
      connect_to:
        description: Where nginx listens, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
        type: str
        required: true
      websocket:
        description:
          - V(true) asks for a handshake, V(required) for a handshake and a 426 to plain HTTP, and V(false) for an
            answer to plain HTTP that comes from a backend and for one to a handshake that is no upgrade.
        type: raw
        choices: [true, false, required]
        required: true
      strict:
        description:
          - With V(false), a handshake that the backends themselves answer otherwise, or by closing the connection,
            leaves a route not verified, which is a warning. They may speak WebSocket at another path, or to clients
            with credentials alone.
        type: bool
        default: true
        version_added: 0.6.0
      status:
        description: The status that plain HTTP has to be answered with. By default any that a backend may give.
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
        description: The exact text message that must come, as the answer to O(probes[].send) or without one, unasked.
        type: str
        version_added: 0.2.0
      proxy_protocol:
        description: Whether nginx expects the PROXY protocol there. The probe begins with C(PROXY UNKNOWN) then.
        type: bool
        default: false
        version_added: 0.4.0
      ssl_certificate:
        description: A PEM file of the gateway, the certificate to show where the site asks clients for one.
        type: path
        version_added: 0.4.0
      ssl_certificate_key:
        description: A PEM file of the gateway, the key of O(probes[].ssl_certificate) if that does not hold it.
        type: path
        version_added: 0.4.0
      backends:
        description: Where the route leads, to tell an error of the deploy from one of a backend.
        type: dict
        version_added: 0.3.0
        suboptions:
          url:
            description: What nginx asks them for, as in O(probes[].url).
            type: str
            required: true
          addresses:
            description: The addresses of some of them, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
            type: list
            elements: str
            required: true
          forwarded:
            description:
              - Headers by which nginx tells them of itself and of its client, such as C(Host) and C(X-Forwarded-For).
                One that is empty is not sent, whatever O(probes[].headers) say.
            type: dict
            default: {}
            version_added: 0.6.0
          headers:
            description: Other headers that nginx adds to the request. They never appear in logs or results.
            type: dict
            default: {}
          exact:
            description:
              - Whether nginx asks them for just that. With V(false), what they answer directly does not keep the route
                from being asked through nginx, once.
            type: bool
            default: true
            version_added: 0.6.0
          header_size:
            description: The bytes of a response's header that nginx takes, as C(proxy_buffer_size) says.
            type: int
            default: 36864
            version_added: 0.6.0
          origins:
            description: Origins to try where they refuse the handshake, for a hint to O(probes[].origin).
            type: list
            elements: str
            default: []
            version_added: 0.6.0
      wait:
        description:
          - For how many seconds a probe that fails is tried again.
          - An upstream that nginx resolves while it runs has no servers until the first answer of its name server.
        type: float
        default: 0
        version_added: 0.2.0
"""
