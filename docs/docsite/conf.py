# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration for the site that tests/docs.sh builds: the Markdown pages as they are, and the reference."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path, PurePosixPath

from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
FILES = "https://github.com/wsfleet/nginx/blob/main/"
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
# The labels of Ansible's documentation that the reference names. Its index of labels would take a network.
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}

project = "wsfleet.nginx"
copyright = "The wsfleet maintainers"
html_title = project
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
pygments_style = "ansible"
# As GitHub names the headings of a page.
myst_heading_anchors = 4
nitpicky = True


def link_within_the_site(app: t.Any, page: str, source: list[str]) -> None:
    """Have links to files lead to the pages of this site, and to GitHub where a file is none of them."""
    if page.startswith("reference/"):
        return

    def place(target: str) -> str:
        file, hash_, anchor = target.partition("#")
        if file.startswith(FILES):
            file = file.removeprefix(FILES)
        elif ":" in file or not file:
            return target
        else:
            file = (ROOT / PurePosixPath(page).parent / file).resolve().relative_to(ROOT).as_posix()
        return (f"/{file}" if file.removesuffix(".md") in app.env.found_docs else FILES + file) + hash_ + anchor

    # In a link or in the line that defines one, but not in an image, with its exclamation mark.
    source[0] = re.sub(r"((?<!!)\[[^\]]*\]\()([^)\s]+)(?=\))", lambda found: found[1] + place(found[2]), source[0])
    source[0] = re.sub(r"(?m)^(\[[^\]]+\]: )(\S+)$", lambda found: found[1] + place(found[2]), source[0])


def link_to_ansible(_app: t.Any, _env: t.Any, node: t.Any, text: t.Any) -> nodes.reference | None:
    label = node["reftarget"]
    content = re.fullmatch(r"ansible_collections\.(\w+)\.(\w+)\.(\w+)", label)
    place = "collections/{}/{}/{}.html".format(*content.groups()) if content else LABELS.get(label)
    if place is None or label.startswith("ansible_collections.wsfleet."):
        return None
    return nodes.reference("", "", text, internal=False, refuri=ANSIBLE + place)


def setup(app: t.Any) -> None:
    app.connect("source-read", link_within_the_site)
    app.connect("missing-reference", link_to_ansible)
