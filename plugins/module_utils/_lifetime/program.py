# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program on the gateway: one file with the same code as the modules', for what has to run without a controller."""

from __future__ import annotations

import io
import sys
import zipfile

# What the commands need is imported here, so that it is in sys.modules, and in what Ansible sends to the host.
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import exchange, pacer
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober

_PACKAGE = "ansible_collections.wsfleet.nginx.plugins.module_utils"
_MAIN = f"""\
import importlib
import sys

COMMANDS = {{"pace": "{pacer.__name__}", "exchange": "{exchange.__name__}", "probe": "{prober.__name__}"}}
if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
    sys.exit("usage: nginx.pyz " + "|".join(sorted(COMMANDS)))
sys.exit(importlib.import_module(COMMANDS[sys.argv[1]]).main(sys.argv[2:]))
"""


def content() -> bytes:
    """The same bytes for the same code: nothing is compressed, as that depends on the version of a library."""
    files = {"__main__.py": _MAIN.encode(), **_sources()}
    packages = {name[: at + 1] for name in files for at, character in enumerate(name) if character == "/"}
    files.update((f"{package}__init__.py", b"") for package in packages if f"{package}__init__.py" not in files)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    return written.getvalue()


def _sources() -> dict[str, bytes]:
    found = {}
    for name, module in sys.modules.items():
        file, loader = getattr(module, "__file__", None) or "", getattr(module, "__loader__", None)
        if name.startswith(f"{_PACKAGE}.") and file.endswith(".py") and not file.endswith("__init__.py") and loader:
            # In the archive that Ansible sends, too.
            found[f"{name.replace('.', '/')}.py"] = loader.get_data(file)
    return found
