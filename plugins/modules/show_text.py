#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show_text
short_description: Show a text of several lines
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Prints each line of a text as a line of the output, whatever the format of results is. M(ansible.builtin.debug) and
    M(ansible.builtin.fail) print one string of JSON by default.
  - If the output is itself JSON, as that of the callback C(ansible.posix.json), nothing is printed, and the
    text is in the result alone.
  - With C(run_once) it leaves the facts of all hosts as they are, which M(ansible.builtin.debug) does not on
    ansible-core 2.21.
options:
  text:
    description: The text.
    type: str
    required: true
  failure:
    description:
      - If it is given, the task fails after it has printed the text, with this message, which comes directly below it.
    type: str
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.controller
seealso:
  - module: ansible.builtin.debug
"""

EXAMPLES = r"""
- name: Fail on invalid variables
  wsfleet.nginx.show_text:
    text: "{{ check.errors }}"
    failure: Invalid variables, as listed above.
  vars:
    check: "{{ hostvars | wsfleet.nginx.fleet_check(ansible_play_batch) }}"
  run_once: true
  when: check.errors | length > 0
"""

RETURN = r"""
msg:
  description: The O(failure), or the whole O(text) where that was not printed.
  type: str
  returned: on failure, or if the text was not printed
"""
