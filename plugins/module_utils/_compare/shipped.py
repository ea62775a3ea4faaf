# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What packages bring along and configurations include, for a host that has not installed them, as in CI."""

from __future__ import annotations

import typing as t

_TYPES = """types {
    text/html html htm;
    text/css css;
    text/plain txt;
    application/javascript js;
    application/json json;
    image/gif gif;
    image/jpeg jpeg jpg;
    image/png png;
    image/svg+xml svg;
    image/webp webp;
    font/woff2 woff2;
}
"""
# https://salsa.debian.org/nginx-team/nginx, debian/conf/proxy_params
_PROXY = """proxy_set_header Host $http_host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""
_FIELDS = {
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "REQUEST_URI": "$request_uri",
    "DOCUMENT_URI": "$document_uri",
    "DOCUMENT_ROOT": "$document_root",
    "SERVER_PROTOCOL": "$server_protocol",
    "REMOTE_ADDR": "$remote_addr",
    "REMOTE_PORT": "$remote_port",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$server_name",
}


def _params(kind: str, more: t.Mapping[str, str]) -> str:
    return "".join(f"{kind}_param {name} {value};\n" for name, value in {**more, **_FIELDS}.items())


_SCRIPT = {"SCRIPT_NAME": "$fastcgi_script_name"}
_FILE = {"SCRIPT_FILENAME": "$document_root$fastcgi_script_name", **_SCRIPT}
# By the end of the path. What is in the way of a comparison only by its absence is empty.
_SHIPPED = {
    "mime.types": _TYPES,
    "proxy_params": _PROXY,
    "fastcgi_params": _params("fastcgi", _SCRIPT),
    "fastcgi.conf": _params("fastcgi", _FILE),
    "snippets/fastcgi-php.conf": "fastcgi_split_path_info ^(.+?\\.php)(/.*)$;\n" + _params("fastcgi", _FILE),
    "uwsgi_params": _params("uwsgi", {}),
    "scgi_params": _params("scgi", {}),
    # The protocols and ciphers of certbot.
    "options-ssl-nginx.conf": "",
}


def stand_in(path: str) -> str | None:
    """What stands for an included file that is not there; None for one that only its author has."""
    return next((text for end, text in _SHIPPED.items() if path == end or path.endswith(f"/{end}")), None)
