# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reader or a template is to fill in, such as <frontend_url>: a question, and a plain name in its place."""

from __future__ import annotations

import re

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive

# Of others an argument may be HTML or a regular expression.
_FILLED = (
    *("server_name", "listen", "proxy_pass", "server", "upstream", "location", "root", "alias", "resolver", "set"),
    *("ssl_certificate", "ssl_certificate_key", "ssl_client_certificate", "ssl_trusted_certificate", "access_log"),
    *("error_log", "proxy_set_header", "allow", "deny", "set_real_ip_from", "rewrite", "proxy_ssl_name", "if"),
)
# In angle brackets; between percent signs, as hosting panels have it; and a variable of a shell, for nginx's own are in
# lower case.
_BLANK = re.compile(
    r"(?<!\?)(?<!\?P)<([\w.:/-]+)>|%([a-z][a-z_]{2,}|ip)%|\$(?:\{([A-Z][A-Z0-9_]*)\}|([A-Z][A-Z0-9_]*)\b)"
)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
# As authors write them, in a value that nginx would take.
_YOURS = re.compile(
    r"\b(?i:your[._-]?[a-z0-9_-]+(?:\.[a-z]+)*|changeme)\b|/path/to/[^\s;]*"
    r"|(?:(?<![\w$./-])|(?<=//))(?:[A-Z][A-Z0-9_-]*\.)*(?:[A-Z_-]*(?:HOST|DOMAIN|SERVER|ADDRESS|IP|NAME)[A-Z_-]*)(?:\.[A-Z]+)*(?![\w.])"
)


def filled(directive: Directive, found: Found) -> Directive:
    """The directive with plain names in the place of blanks."""
    is_url = directive.name == "return" and any(word.startswith(("http", "<")) for word in directive.args)
    args = directive.args
    if directive.name in _FILLED or is_url:
        args = tuple(_BLANK.sub(lambda match: _named(match, found), word) for word in args)
        yours = next((match for word in args if (match := _YOURS.search(word))), None)
        if args != directive.args:
            found.ask(directive, f"'{short(directive)}': what is to be in the place of {_blanks(directive)}?")
        elif yours and directive.name not in ("location", "if", "rewrite", "proxy_set_header"):
            found.blanks.add(yours[0])
            found.ask(directive, f"'{short(directive)}': what is to be in the place of '{yours[0]}'?")
    block = None if directive.block is None else tuple(filled(one, found) for one in directive.block)
    return Directive(directive.name, args, directive.place, block)


def _named(match: re.Match[str], found: Found) -> str:
    inner = next(group for group in match.groups() if group)
    is_of_request = inner.lower().startswith(("http_", "arg_", "cookie_"))
    if match[0].startswith("$") and (is_of_request or inner.lower() in found.defined):
        # To nginx, capitals make no difference.
        return match[0]
    name = _NOT_IN_A_NAME.sub("_", inner.rpartition("://")[2]).strip("_.-") or "value"
    found.blanks.add(name)
    return name


def _blanks(directive: Directive) -> str:
    return ", ".join(f"'{match[0]}'" for word in directive.args for match in _BLANK.finditer(word))
