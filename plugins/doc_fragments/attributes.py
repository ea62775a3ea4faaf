# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of modules that only read."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the same as without it.
    support: full
    details:
      - The module changes nothing on the host, so it runs in check mode too.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing), when in diff mode.
    support: N/A
    details:
      - There is nothing to change.
"""

    LINUX = r"""
options: {}
attributes:
  platform:
    description: Target operating systems. The module reads C(/proc).
    support: full
    platforms: linux
"""

    CONTROLLER = r"""
options: {}
attributes:
  action:
    description: The whole of it runs on the controller.
    support: full
"""
