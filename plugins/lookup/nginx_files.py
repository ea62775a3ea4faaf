# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: nginx_files
short_description: The texts of nginx's files on the controller
version_added: 0.12.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Reads a file, or all files of a directory, for P(wsfleet.nginx.imported#filter).
  - Links are followed, as those of C(sites-enabled). In a copy of C(/etc/nginx), a link to where the copy was made of
    is followed inside the copy.
  - Hidden files, certificates and keys are left out.
options:
  _terms:
    description: The path of a file or a directory on the controller, relative to where Ansible was started.
    type: str
    required: true
"""

EXAMPLES = """
- name: Show what a copy of /etc/nginx comes to
  wsfleet.nginx.show_text:
    text: "{{ (lookup('wsfleet.nginx.nginx_files', 'etc-nginx') | wsfleet.nginx.imported).report }}"
"""

RETURN = """
_raw:
  description: The texts by the names of the files, which are their paths in the directory.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import files


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup for Ansible's loader."""

    def run(
        self, terms: list[t.Any], variables: t.Mapping[str, t.Any] | None = None, **options: t.Any
    ) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=options)
        try:
            return [files.read(str(term)) for term in terms]
        except OSError as error:
            raise AnsibleLookupError(f"cannot read what to import: {error}") from error
