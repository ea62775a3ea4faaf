#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_value
short_description: Return a value that is worked out once for all hosts
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Returns its option. With C(run_once) and C(register), all hosts of the batch get the value, which is templated once.
  - M(ansible.builtin.set_fact) with C(run_once) does the same, but on ansible-core 2.21 all hosts without facts share
    one dict from then on, with facts that are gathered later.
options:
  value:
    description: The value.
    type: raw
    required: true
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.controller
seealso:
  - module: ansible.builtin.set_fact
"""

EXAMPLES = r"""
- name: Read the inventory groups of all upstreams
  wsfleet.nginx.shared_value:
    value: "{{ ansible_play_hosts | wsfleet.nginx.fleet_upstreams(groups, hostvars) }}"
  run_once: true
  register: upstreams
"""

RETURN = r"""
value:
  description: The O(value).
  type: raw
  returned: always
"""
