# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of directives as values of variables."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.times import seconds_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import quoted

# What nginx goes by where nothing is said, so that a directive which says the same needs no key.
_NGINX = {
    "proxy_send_timeout": "60s",
    "proxy_buffering": True,
    "proxy_request_buffering": True,
    "proxy_next_upstream": "error timeout",
    "proxy_next_upstream_tries": 0,
    "proxy_next_upstream_timeout": 0,
    "client_max_body_size": "1m",
    "large_client_header_buffers": "4 8k",
}


def number(args: t.Sequence[str]) -> int | str:
    """A number where it is one, so that YAML needs no quotes, else the words."""
    text = " ".join(args)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def plain(args: t.Sequence[str]) -> t.Any:
    """The value of a key that prints one directive."""
    if len(args) == 1 and args[0].lower() in ("on", "off"):
        return args[0].lower() == "on"
    return number([quoted(word) if " " in word else word for word in args])


def is_nginx_default(name: str, value: object) -> bool:
    default = _NGINX.get(name)
    if default is None:
        return False
    return value == default or (name.endswith("_timeout") and seconds(value) == seconds(default))


def seconds(value: object) -> float:
    return seconds_of(str(value))
