# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: has_modules
short_description: Whether the controller has modules of other collections
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Looks for modules in the collections that are installed, without loading these, which takes long.
  - A role can so do without a collection that only some hosts need.
options:
  _input:
    description: The full names of the modules.
    type: list
    elements: str
    required: true
"""

EXAMPLES = """
- name: Fail without the modules for SELinux
  ansible.builtin.assert:
    that: "['community.general.seport', 'ansible.posix.seboolean'] | wsfleet.nginx.has_modules"
"""

RETURN = """
_value:
  description: Whether all of them are installed.
  type: bool
"""

import typing as t
from pathlib import Path

from ansible.utils.collection_loader import AnsibleCollectionConfig


def has_modules(names: t.Sequence[str]) -> bool:
    roots = [Path(path, "ansible_collections") for path in AnsibleCollectionConfig.collection_paths]
    return all(any(_file(root, name).is_file() for root in roots) for name in names)


def _file(root: Path, name: str) -> Path:
    namespace, collection, module = name.split(".")
    return root / namespace / collection / "plugins" / "modules" / f"{module}.py"


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"has_modules": has_modules}
