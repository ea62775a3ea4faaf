# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests that the user of the module adds."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace
from urllib.parse import urlsplit

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import Endpoint, is_ip
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Request
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import TOKEN
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import CONTROL, PORTS

_CONNECT_TO = re.compile(r"unix:/.+|[^/\s]+:\d{1,5}")


def own_requests(given: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[list[Request], list[str]]:
    """The requests, and all errors in them."""
    requests, errors = [], []
    for number, options in enumerate(given):
        try:
            requests.append(_request(options))
        except ValueError as error:
            errors.append(f"requests[{number}].{error}")
    return requests, errors


def _request(options: t.Mapping[str, t.Any]) -> Request:
    url = options["url"]
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValueError("url: must be printable ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ValueError(f"url: {error}") from error
    if not port or not parts.hostname:
        raise ValueError("url: expected http://, https://, ws:// or wss:// and a host")
    if not TOKEN.fullmatch(options["method"]):
        raise ValueError(f"method: {options['method']!r} is not a method")
    headers = tuple((str(name), str(value)) for name, value in options["headers"].items())
    for name, value in headers:
        if not TOKEN.fullmatch(name) or CONTROL.search(value):
            raise ValueError(f"headers: {name!r} is not a header, or its value has a control character")
    if options["client"] is not None and not is_ip(options["client"]):
        raise ValueError(f"client: {options['client']!r} is no address")
    connect_to = options["connect_to"]
    if connect_to is not None and not _CONNECT_TO.fullmatch(connect_to):
        raise ValueError(f"connect_to: expected HOST:PORT, [IPv6]:PORT or unix:/PATH, got {connect_to!r}")
    return Request(
        address=connect_to or f"0.0.0.0:{port}",
        host=parts.netloc.rpartition("@")[2],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        method=options["method"],
        headers=headers,
        body=options["body"],
        websocket=parts.scheme in ("ws", "wss"),
        tls=parts.scheme in ("wss", "https"),
        client=options["client"],
        note="of requests",
    )


def at_endpoint(request: Request, endpoints: t.Sequence[Endpoint]) -> Request:
    """The request, where nginx listens with its port."""
    port = request.address.rpartition(":")[2]
    fitting = [one for one in endpoints if one.address == request.address] or [
        one for one in endpoints if request.address.startswith("0.0.0.0:") and str(one.port) == port
    ]
    if not fitting:
        return request
    return replace(request, address=fitting[0].address, proxy_protocol=fitting[0].proxy_protocol)
