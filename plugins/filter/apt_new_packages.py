# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: apt_new_packages
short_description: The packages that a run of apt-get newly installed
version_added: 0.1.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Reads the standard output of C(apt-get install), as M(ansible.builtin.apt) returns it, and lists the packages that
    were not there before, dependencies included.
  - A role that records them can later remove what it installed and nothing else.
options:
  _input:
    description: The standard output of C(apt-get install), in the C locale.
    type: str
    required: true
"""

EXAMPLES = """
- name: Install nginx
  ansible.builtin.apt:
    name: nginx
  register: result

- name: Show what was not there before
  ansible.builtin.debug:
    msg: "{{ result.stdout | default('') | wsfleet.nginx.apt_new_packages }}"
"""

RETURN = """
_value:
  description: The names, in the order of apt-get. Empty if nothing was installed.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._new_packages import of_apt


def apt_new_packages(stdout: object) -> list[str]:
    if not isinstance(stdout, str):
        raise AnsibleFilterError(f"apt_new_packages: expected the output of apt-get, got {type(stdout).__name__}")
    return of_apt(stdout)


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"apt_new_packages": apt_new_packages}
