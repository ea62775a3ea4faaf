# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports run one way: each package names those that it may know, and inside a package no import runs in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import graphlib

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
COLLECTION = "ansible_collections.wsfleet.nginx.plugins."

# Which packages a package may import from, beside itself. docs/architecture.md has the same as a picture.
KNOWS = {
    "module_utils._nginx": {"module_utils._sockets", "module_utils._worker_sockets", "module_utils._pace"},
    "module_utils._probe": set(),
    "module_utils._compare": {"module_utils._nginx", "module_utils._probe"},
    "module_utils._host": {"module_utils._sockets"},
    "module_utils._lifetime": {
        "module_utils._metrics",
        "module_utils._pace",
        "module_utils._units",
        "module_utils._worker_sockets",
        "module_utils._sockets",
        "module_utils._nginx",
        "module_utils._probe",
        "module_utils._transaction",
    },
    "module_utils._metrics": {
        "module_utils._nginx",
        "module_utils._probe",
        "module_utils._transaction",
        "module_utils._units",
    },
    "module_utils._units": {"module_utils._nginx"},
    "module_utils._notices": set(),
    "module_utils._sockets": set(),
    "module_utils._pace": set(),
    "module_utils._worker_sockets": {"module_utils._sockets"},
    "module_utils._connections": {"module_utils._sockets", "module_utils._worker_sockets"},
    "module_utils._balance": set(),
    "module_utils._certificates": set(),
    "module_utils._firewall": {"module_utils._nginx"},
    "module_utils._packages": set(),
    "module_utils._selinux": {"module_utils._nginx"},
    "module_utils._drain_record": {"module_utils._transaction"},
    "module_utils._transaction": {
        "module_utils._nginx",
        "module_utils._probe",
        "module_utils._host",
        "module_utils._certificates",
    },
    "plugin_utils._variables": set(),
    "plugin_utils._config": {"plugin_utils._variables", "module_utils._nginx"},
    "plugin_utils._model": {"plugin_utils._variables", "plugin_utils._config", "module_utils._nginx"},
    "plugin_utils._report": {
        "plugin_utils._variables",
        "plugin_utils._config",
        "module_utils._nginx",
        "module_utils._probe",
    },
    "plugin_utils._import": {
        "plugin_utils._variables",
        "plugin_utils._config",
        "plugin_utils._model",
        "module_utils._nginx",
    },
    "lookup": {"plugin_utils._import"},
    "plugin_utils._fleet": {"plugin_utils._report"},
    "plugin_utils._drain": {"plugin_utils._fleet"},
    "plugin_utils._rebalance": {"plugin_utils._fleet"},
    "plugin_utils._blackbox": {"module_utils._probe"},
    "plugin_utils._calls": set(),
    "plugin_utils._new_packages": set(),
    "action": {"plugin_utils._calls", "plugin_utils._drain", "plugin_utils._rebalance", "module_utils._host"},
    "modules": {
        "module_utils._transaction",
        "module_utils._nginx",
        "module_utils._probe",
        "module_utils._host",
        "module_utils._balance",
        "module_utils._certificates",
        "module_utils._compare",
        "module_utils._connections",
        "module_utils._drain_record",
        "module_utils._firewall",
        "module_utils._lifetime",
        "module_utils._metrics",
        "module_utils._notices",
        "module_utils._packages",
        "module_utils._pace",
        "module_utils._selinux",
        "module_utils._worker_sockets",
    },
    "filter": {
        "plugin_utils._import",
        "plugin_utils._variables",
        "plugin_utils._model",
        "plugin_utils._report",
        "plugin_utils._blackbox",
        "plugin_utils._config",
        "plugin_utils._fleet",
        "plugin_utils._drain",
        "plugin_utils._rebalance",
        "plugin_utils._new_packages",
    },
}


def package_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0].endswith("_utils") else parts[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    """The modules of this collection that a file imports when it is loaded; those for types alone do not count."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types and (node.module or "").startswith(COLLECTION):
            source = (node.module or "").removeprefix(COLLECTION)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if (PLUGINS / f"{inner.replace('.', '/')}.py").exists() else source)
    return found


MODULES = {module_of(path): imports(path) for path in PLUGINS.rglob("*.py") if path.parent.name != "doc_fragments"}


def test_each_package_imports_from_those_alone_that_it_may_know() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in MODULES.items()
        for other in others
        if package_of(other) not in {package_of(module), *KNOWS.get(package_of(module), set())}
    ]
    assert wrong == []


def test_every_package_is_in_the_table_and_the_table_has_no_other() -> None:
    assert {package_of(module) for module in MODULES} == set(KNOWS)


def test_no_import_runs_in_a_circle() -> None:
    graphlib.TopologicalSorter(MODULES).prepare()
    graphlib.TopologicalSorter(KNOWS).prepare()


def test_what_runs_on_hosts_imports_nothing_of_the_controller() -> None:
    on_hosts = [module for module in MODULES if module.startswith(("modules.", "module_utils."))]
    assert [m for m in on_hosts if any(o.startswith(("plugin_utils.", "filter.")) for o in MODULES[m])] == []
