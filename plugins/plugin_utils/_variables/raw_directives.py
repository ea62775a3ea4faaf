# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys 'directives': lines of nginx's own syntax for what has no key, and what has one."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, described, shown

_OWN_KEY = "the key '{}' is for it"

# What each block's keys say, by the name of nginx's directive. Once more in 'directives' it would be a second opinion.
HTTP = {
    "upstream": "the variable websockets_upstreams is for it",
    "server": "the variable websockets_sites is for it",
}
UPSTREAM = {
    **{name: _OWN_KEY.format("balance") for name in values.BALANCES},
    "server": _OWN_KEY.format("servers"),
    **{name: _OWN_KEY.format(name) for name in ("zone", "keepalive", "resolver")},
}
SITE = {
    **{
        name: _OWN_KEY.format(name)
        for name in (
            *("listen", "server_name", "http2", "access_log", "client_header_timeout", "large_client_header_buffers"),
            *(
                "ssl_certificate",
                "ssl_certificate_key",
                "ssl_client_certificate",
                "ssl_verify_client",
                "ssl_buffer_size",
            ),
            *("set_real_ip_from", "real_ip_header"),
        )
    },
    "real_ip_recursive": "it is on where set_real_ip_from is",
    **dict.fromkeys(
        ("server_tokens", "ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets"),
        "it is written anyway, and nginx takes it once",
    ),
    **{
        name: _OWN_KEY.format("ssl_policy")
        for name in ("ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_ecdh_curve")
    },
    "recursive_error_pages": "with it the answer 426 would be looked for without end",
    "proxy_set_header": _OWN_KEY.format("headers"),
    # Each location has its own, so on the site it would be without effect.
    "proxy_read_timeout": "the key 'proxy_read_timeout' of a location is for it",
    "proxy_http_version": "it is always 1.1, for WebSockets need it",
}
LOCATION = {
    "proxy_set_header": _OWN_KEY.format("headers"),
    "proxy_http_version": "it is always 1.1, for WebSockets need it",
    "proxy_ssl_server_name": "it is on where proxy_pass is https",
    "proxy_ssl_verify_depth": "it is 3 where proxy_ssl_verify is on",
    **{
        name: _OWN_KEY.format(name)
        for name in (
            *("proxy_pass", "root", "return", "resolver", "client_max_body_size"),
            *("proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout"),
            *("proxy_buffering", "proxy_buffer_size", "proxy_buffers", "proxy_request_buffering"),
            *("proxy_ssl_verify", "proxy_ssl_trusted_certificate", "proxy_ssl_name"),
        )
    },
}


def has(lines: t.Iterable[str], name: str) -> bool:
    """Whether checked lines have a directive on their uppermost level."""
    return name in nginx_syntax.statements("\n".join(lines))


def defaults(lines: t.Iterable[str], given: t.Iterable[str]) -> list[str]:
    """The lines whose directive the operator's own checked lines do not give."""
    return [line for line in lines if not has(given, line.split()[0])]


def argument(lines: t.Iterable[str], name: str) -> str | None:
    """What checked lines give a directive on their uppermost level."""
    words: list[str] = []
    depth = 0
    for mark, word in nginx_syntax.tokens("\n".join(lines)):
        if not mark:
            words.append(word)
            continue
        if mark == ";" and depth == 0 and words[0] == name:
            return " ".join(words[1:])
        depth += {"{": 1, "}": -1}.get(mark, 0)
        words = []
    return None


def snippet(owned: t.Mapping[str, str]) -> t.Callable[[object, str, Errors], tuple[str, ...] | None]:
    """The check of a block's key 'directives', given what the block's other keys say."""

    def check(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list):
            errors.add(path, f"must be a string or a list of strings, not {described(value)}")
            return None
        texts = values.each(given, path, errors, values.block)
        if texts is None:
            return None
        text = "\n".join(map(textwrap.dedent, texts)).replace("\r\n", "\n")
        try:
            names = nginx_syntax.statements(text)
        except nginx_syntax.NginxSyntaxError as error:
            errors.add(path, f"{error}: {shown(text)}")
            return None
        for name in dict.fromkeys(name for name in names if name in owned):
            errors.add(path, f"has '{name}': {owned[name]}")
        # What Python takes for a space or a line's end may be a part of a word to nginx.
        lines = (line.rstrip(" \t") for line in text.split("\n"))
        return tuple(line for line in lines if line)

    return check
