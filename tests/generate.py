# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what follows from the entries of the role's variables: its argument specs, its defaults and the tables of its
README. With --check write nothing, and fail with the difference.
"""

from __future__ import annotations

import difflib
import re
import sys
import textwrap
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".venv" / "collections"))

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION, PROBE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER, UPSTREAM

ROLE = ROOT / "roles" / "websockets"
TABLES = {
    "variables": VARIABLES,
    "keys of upstreams": UPSTREAM,
    "keys of servers": SERVER,
    "keys of sites": SITE,
    "keys of locations": LOCATION,
    "keys of probes": PROBE,
}
TYPES: dict[t.Any, str] = {
    values.boolean: "bool",
    **dict.fromkeys((values.positive, values.count, values.connections, values.capacity), "int"),
}
_MARKUP = re.compile(r"[VCO]\(([^)]*)\)")


def to_yaml(data: t.Mapping[str, t.Any], indent: int = 0) -> t.Iterator[str]:
    """The lines of a mapping: mappings in it as blocks, descriptions as paragraphs, anything else on one line."""
    space = " " * indent
    for name, value in data.items():
        if name == "description":
            yield f"{space}{name}:"
            for paragraph in value:
                yield from textwrap.wrap(
                    scalar(paragraph),
                    width=120,
                    initial_indent=f"{space}  - ",
                    subsequent_indent=f"{space}    ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
        elif isinstance(value, dict) and value:
            yield f"{space}{name}:"
            yield from to_yaml(value, indent + 2)
        else:
            yield f"{space}{name}: {scalar(value)}".rstrip()


def scalar(value: object) -> str:
    if value is None:
        return ""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").rstrip()


def specification(key: Key) -> dict[str, t.Any]:
    """The key as argument_specs.yml has it."""
    paragraphs = key.description.split("\n")
    if key.otherwise:
        paragraphs.append(f"By default {key.otherwise}.")
    if key.nginx:
        paragraphs.append(f"Requires nginx {dotted(key.nginx)} or later.")
    spec: dict[str, t.Any] = {"description": paragraphs, "type": key.type or TYPES.get(key.check, "raw")}
    if key.elements:
        spec["elements"] = key.elements
    if key.choices:
        spec["choices"] = list(key.choices)
    if key.default is ...:
        spec["required"] = True
    elif key.default is not None:
        spec["default"] = key.default
    if key.version_added:
        spec["version_added"] = key.version_added
    if key.keys:
        spec["options"] = {name: specification(inner) for name, inner in key.keys.items()}
    return spec


def row(name: str, key: Key) -> str:
    """The key as a row of the README."""
    if key.default is ...:
        default = "required"
    elif key.default is not None:
        default = f"`{scalar(key.default)}`"
    else:
        default = to_markdown(key.otherwise)
    meaning = to_markdown(key.description.split("\n")[0])
    if key.nginx:
        meaning += f" Requires nginx {dotted(key.nginx)}."
    if key.see:
        meaning += f" See [{key.see}](#{key.see.lower().replace(' ', '-')})."
    return f"| `{name}` | {default} | {meaning} |".replace("|  |", "| |")


def to_markdown(text: str) -> str:
    return _MARKUP.sub(lambda found: f"`{found[1].rpartition('.')[2] if found[0][0] == 'O' else found[1]}`", text)


def dotted(version: t.Iterable[int]) -> str:
    return ".".join(map(str, version))


def table(name: str, keys: t.Mapping[str, Key]) -> str:
    heading = f"| {'variable' if keys is VARIABLES else 'key'} | default | meaning |\n| --- | --- | --- |\n"
    return heading + "".join(f"{row(key_name, key)}\n" for key_name, key in keys.items())


def between(text: str, start: str, end: str, inner: str) -> str:
    """The text with another one between two lines of it."""
    before, found, rest = text.partition(f"{start}\n")
    _old, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{start} … {end} is missing")
    return f"{before}{found}{inner}{ended}{after}"


def generated() -> dict[Path, str]:
    specs, readme = ROLE / "meta" / "argument_specs.yml", ROLE / "README.md"
    options = "\n".join(to_yaml({name: specification(key) for name, key in VARIABLES.items()}, indent=6))
    defaults = "\n".join(to_yaml({name: key.default for name, key in VARIABLES.items()}))
    start, end = (
        "      # Written by tests/generate.py, up to the next comment.",
        "      # The end of what is generated.\n",
    )
    text = readme.read_text(encoding="utf-8")
    for name, keys in TABLES.items():
        text = between(text, f"<!-- {name} -->", "\n<!-- end -->", f"\n{table(name, keys)}")
    return {
        specs: between(specs.read_text(encoding="utf-8"), start, end, f"{options}\n"),
        ROLE / "defaults" / "main.yml": f"---\n# Written by tests/generate.py.\n{defaults}\n",
        readme: text,
    }


def main() -> int:
    stale = {path: text for path, text in generated().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
            continue
        lines = (path.read_text(encoding="utf-8").splitlines(), text.splitlines())
        print(*difflib.unified_diff(*lines, str(path.relative_to(ROOT)), "tests/generate.py", lineterm=""), sep="\n")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
