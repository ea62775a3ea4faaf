# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option `compared`, as module_utils/_transaction/other_sites.py has it."""

    DOCUMENTATION = r"""
options:
  compared:
    description:
      - What the configuration has that other sites of the host may have too. Requires O(config_path) and
        O(live_address).
      - nginx's files on the host are read for it, without those of this configuration.
    type: dict
    version_added: 0.8.0
    suboptions:
      ca_file:
        description: Where Debian has the CAs of the host, if the configuration uses them.
        type: path
      hashes:
        description: The sizes that it needs, by the names of the directives, such as C(map_hash_bucket_size).
        type: dict
        default: {}
      replaces:
        description: Files whose place the configuration takes. They are not read.
        type: list
        elements: path
        default: []
        version_added: 0.12.0
      servers:
        description: Its servers.
        type: list
        elements: dict
        default: []
        suboptions:
          at:
            description: The path of its variable, for messages.
            type: str
            required: true
          names:
            description: Its names.
            type: list
            elements: str
            default: []
          listens:
            description: Its addresses.
            type: list
            elements: dict
            required: true
            suboptions:
              address:
                description: The address, as V(PORT), V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
                type: str
                required: true
              default:
                description: Whether the server is to be the default one of the address.
                type: bool
                default: false
              http2:
                description: Whether it speaks HTTP/2.
                type: bool
                default: false
              options:
                description: The options of the socket.
                type: list
                elements: str
                default: []
              proxy_protocol:
                description: Whether it expects the PROXY protocol.
                type: bool
                default: false
              ssl:
                description: Whether it speaks TLS.
                type: bool
                default: false
      upstreams:
        description: Its upstreams, whose names no other site of the host may use.
        type: list
        elements: dict
        default: []
        suboptions:
          at:
            description: The path of its variable, for messages.
            type: str
            required: true
          name:
            description: Its name.
            type: str
            required: true
          zone:
            description: The name of its zone.
            type: str
            required: true
"""
