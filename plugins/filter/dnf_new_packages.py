# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: dnf_new_packages
short_description: The packages that a run of dnf newly installed
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Reads the results of M(ansible.builtin.dnf) or M(ansible.builtin.dnf5), and lists the packages that were not there
    before, dependencies included, but not those that were upgraded.
  - A role that records them can later remove what it installed and nothing else.
options:
  _input:
    description: The return value C(results) of the module.
    type: list
    elements: str
    required: true
"""

EXAMPLES = """
- name: Install nginx
  ansible.builtin.dnf:
    name: nginx
  register: result

- name: Show what was not there before
  ansible.builtin.debug:
    msg: "{{ result.results | wsfleet.nginx.dnf_new_packages }}"
"""

RETURN = """
_value:
  description: The names, in the order of dnf. Empty if nothing was installed.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._new_packages import of_dnf


def dnf_new_packages(results: object) -> list[str]:
    if not isinstance(results, list) or not all(isinstance(line, str) for line in results):
        raise AnsibleFilterError(f"dnf_new_packages: expected the results of dnf, got {type(results).__name__}")
    return of_dnf(results)


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dnf_new_packages": dnf_new_packages}
