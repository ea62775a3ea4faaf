# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: imported
short_description: An nginx configuration that exists as variables of the role
version_added: 0.12.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Makes C(websockets_upstreams), C(websockets_sites) and the other variables of the role
    P(wsfleet.nginx.websockets#role) of nginx's files, in their shortest form, and says of each line that it read what
    became of it.
  - The texts are nginx's own files with those that they include, the output of C(nginx -T), pages with configurations
    in them, such as tutorials in Markdown or HTML, Ingresses of Kubernetes, for ingress-nginx or the controller of F5,
    or the variables of the roles nginxinc.nginx_config, geerlingguy.nginx and ome.nginx_proxy.
  - Where nginx would refuse a text, what is meant is guessed and told. What cannot be guessed is a question in the
    report. The variables have no error.
requirements:
  - The Python library crossplane on the controller.
positional: _input
options:
  _input:
    description: The texts by the names of their files, as P(wsfleet.nginx.nginx_files#lookup) returns them.
    type: dict
    required: true
"""

EXAMPLES = """
- name: Write the variables of a tutorial's page
  ansible.builtin.copy:
    content: "{{ (lookup('wsfleet.nginx.nginx_files', 'page.md') | wsfleet.nginx.imported).yaml }}"
    dest: group_vars/ws_gateways.yml
    mode: "0644"
  delegate_to: localhost
"""

RETURN = """
_value:
  description:
    - C(variables), and the same as C(yaml), the text of a file for C(group_vars).
    - C(notes), a list with the C(kind) of each, C(question), C(corrected), C(taken), C(directives) or C(left out), with
      C(file), C(line), which is 0 for all of a file, and C(text).
    - C(report), all notes as one text.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.grammar import CrossplaneMissing
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import Imported
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported as _imported


def imported(texts: t.Mapping[str, str]) -> Imported:
    if not isinstance(texts, t.Mapping) or not all(isinstance(text, str) for text in texts.values()):
        raise AnsibleFilterError("imported: requires a mapping of names of files to their texts")
    try:
        return _imported({str(name): str(text) for name, text in texts.items()})
    except CrossplaneMissing as error:
        raise AnsibleFilterError(f"imported: {error}") from error


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"imported": imported}
