# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where nginx listens and where it connects to. As in values, a check returns None after it has noted an error."""

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import (
    Errors,
    described,
    repeated,
    shown,
)

# unix(7): 107 bytes at most.
_SOCKET_PATH = re.compile(r"/[A-Za-z0-9_./-]{0,105}[A-Za-z0-9_.-]")
_HOST = re.compile(rf"{values.HOST_LABEL}(?:\.{values.HOST_LABEL})*\.?")
# http://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_pass
_URL = re.compile(r"(?P<scheme>https?)://(?:(?P<unix>unix:[^:]*):?|(?P<host>[^/]*))(?P<uri>/[!-~]*)?")

_NETWORK = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
_RESOLVER_OPTION = re.compile(rf"valid={values.SECONDS.pattern}|ipv[46]=(?:on|off)")

_FLAGS = ("default_server", "ssl", "http2", "proxy_protocol")
# Options of the socket: https://nginx.org/en/docs/http/ngx_http_core_module.html#listen
_SOCKET_OPTIONS = {
    "backlog": re.compile(r"backlog=[1-9][0-9]{0,8}"),
    "bind": re.compile(r"bind"),
    "deferred": re.compile(r"deferred"),
    "fastopen": re.compile(r"fastopen=[1-9][0-9]{0,8}"),
    "ipv6only": re.compile(r"ipv6only=(?:on|off)"),
    "rcvbuf": re.compile(r"rcvbuf=[1-9][0-9]{0,8}[kKmM]?"),
    "reuseport": re.compile(r"reuseport"),
    "sndbuf": re.compile(r"sndbuf=[1-9][0-9]{0,8}[kKmM]?"),
    "so_keepalive": re.compile(r"so_keepalive=(?:on|off|(?=.*[0-9])(?:[0-9]+[smhd]?)?:(?:[0-9]+[smhd]?)?:[0-9]*)"),
}


@dataclass(frozen=True)
class Address:
    """Where something listens: a host and a port, or a Unix socket. An empty host is every IPv4 address."""

    # nginx takes all of these for the same address.
    ANY_IPV4: t.ClassVar[tuple[str, ...]] = ("", "*", "0.0.0.0")

    host: str = ""
    port: int = 0
    unix: str = ""

    @property
    def canonical(self) -> Address:
        """The same for every spelling of an address."""
        if self.host in self.ANY_IPV4:
            return Address(port=self.port, unix=self.unix)
        ip = _ip(self.host)
        return Address(host=str(ip) if ip else self.host.lower().rstrip("."), port=self.port)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.unix}"
        host = f"[{self.host}]" if self.is_ipv6 else self.host
        return f"{host}:{self.port}" if host else str(self.port)


@dataclass(frozen=True)
class Listen:
    """One listen directive. Its options are those of the socket, which nginx takes from one site only."""

    address: Address
    default_server: bool = False
    ssl: bool = False
    http2: bool = False
    proxy_protocol: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Url:
    """The value of proxy_pass: a host name or address with or without a port, or a Unix socket, and a path or none."""

    scheme: str
    address: Address
    uri: str

    @property
    def authority(self) -> str:
        """What is between the scheme and the path."""
        return str(replace(self, uri="")).partition("://")[2]

    def __str__(self) -> str:
        where = str(self.address) if self.address.port else self.address.host
        if self.address.unix:
            where = f"{self.address}:" if self.uri else str(self.address)
        elif self.address.is_ipv6 and not self.address.port:
            where = f"[{self.address.host}]"
        return f"{self.scheme}://{where}{self.uri}"


def listens(value: object, path: str, errors: Errors) -> tuple[Listen, ...] | None:
    """One listen value or a list of them."""
    return values.one_or_more(value, path, errors, _listen, "a site requires a port or an address")


def loopback(value: object, path: str, errors: Errors) -> Address | None:
    """HOST:PORT or [V6]:PORT on the loopback interface."""
    given = values.text(value, path, errors)
    address = None if given is None else _address(given, path, errors)
    if address is None or is_loopback(address.host):
        return address
    errors.add(path, f"{shown(given)} is not a loopback address, such as 127.0.0.1:488")
    return None


def server(value: object, path: str, errors: Errors) -> Address | None:
    """One server of an upstream: host:port, [v6]:port or unix:/path."""
    given = values.text(value, path, errors)
    if given is None:
        return None
    if " " in given:
        errors.add(
            path,
            f"{shown(given)} contains more than an address; expected {{address: {given.partition(' ')[0]}, weight: …}}",
        )
        return None
    address = _address(given, path, errors)
    if address is None or address.unix or address.canonical.host not in ("", "::"):
        return address
    errors.add(path, f"missing host in {shown(given)}; expected HOST:{address.port}")
    return None


def url(value: object, path: str, errors: Errors) -> Url | None:
    """http://HOST[:PORT][/PATH], https://… or http://unix:/SOCKET[:/PATH]."""
    given = values.plain_text(value, path, errors)
    if given is None:
        return None
    found = _URL.fullmatch(given)
    if not found:
        errors.add(path, f"{shown(given)} is not a URL; expected http://HOST:PORT, https://HOST or http://unix:/SOCKET")
        return None
    if found["unix"]:
        address = _address(found["unix"], path, errors)
    else:
        host, colon, digits = found["host"].rpartition(":")
        whole = colon and digits.isdigit() and (":" not in host or host.startswith("["))
        address = _address(found["host"], path, errors) if whole else _host(found["host"], path, errors)
    return None if address is None else Url(found["scheme"], address, found["uri"] or "")


def balancers(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """One address or network of load balancers, or a list of them."""
    return values.one_or_more(value, path, errors, _balancer, "list the addresses of the load balancers")


def _balancer(value: object, path: str, errors: Errors) -> str | None:
    """https://nginx.org/en/docs/http/ngx_http_realip_module.html#set_real_ip_from"""
    given = values.text(value, path, errors)
    if given is None or given == "unix:":
        return given
    try:
        # nginx takes no mask in the form of an address (10.0.0.0/255.0.0.0), and no zone (fe80::1%eth0).
        network = ipaddress.ip_network(given if _NETWORK.fullmatch(given) else "")
    except ValueError as error:
        strict = "host bits" in str(error)
        hint = (
            f": {ipaddress.ip_network(given, strict=False)} is one" if strict else ": 10.0.0.0/8, 2001:db8::1 or unix:"
        )
        errors.add(path, f"{shown(given)} is not an address or a network{hint}")
        return None
    if network.prefixlen:
        return given
    errors.add(path, f"{shown(given)} trusts every client to name another address as its own")
    return None


def host(value: object, path: str, errors: Errors) -> str | None:
    """A host name or an address, without a port."""
    given = values.text(value, path, errors)
    plain = None if given is None else host_address(given)
    if given is not None and plain is None:
        errors.add(path, f"{shown(given)} is neither a host name nor an address")
    return plain


def host_address(host: str) -> str | None:
    """A host name, an IPv4 address or a bare IPv6 address, from text that may have brackets; None for anything else."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        return host if _is_ipv6(host) else None
    if _is_ipv6(host):
        return host
    # A last label of digits alone is no name (RFC 1123 section 2.1): it is an IPv4 address or a slip.
    if host.rstrip(".").rpartition(".")[2].isdigit() and is_name(host):
        return None
    return host if _HOST.fullmatch(host) else None


def is_name(host: str) -> bool:
    """Whether a host must be looked up before nginx can use it."""
    return _ip(host) is None


def resolver(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The words of a resolver directive: name servers, and how their answers are used."""
    found = values.words_of(value, path, errors)
    if found is None:
        return None
    servers = [word for word in found if not _RESOLVER_OPTION.fullmatch(word)]
    for word in servers:
        bracketed = word.startswith("[") or ":" not in word
        if not (host_address(word) and bracketed) and _address(word, "", Errors()) is None:
            errors.add(path, f"{shown(word)} is not a name server, valid=TIME, ipv4=on|off or ipv6=on|off")
            return None
    if not servers:
        errors.add(path, f"{shown(value)} contains no name server")
        return None
    if {"ipv4=off", "ipv6=off"} <= set(found):
        errors.add(path, "ipv4=off and ipv6=off are mutually exclusive")
        return None
    return found


def _listen(value: object, path: str, errors: Errors) -> Listen | None:
    if isinstance(value, int):
        number = values.port(value, path, errors)
        return None if number is None else Listen(Address(port=number))
    if not isinstance(value, str):
        errors.add(path, f"must be a port or an address, not {described(value)}")
        return None
    where, *parameters = str(value).split() or [""]
    address = _address(where, path, errors)
    sound = [_is_listen_parameter(parameter, path, errors) for parameter in parameters]
    for parameter in repeated(parameters):
        errors.add(path, f"{shown(parameter)} is given more than once")
        sound.append(False)
    if address is None or not all(sound):
        return None
    return Listen(
        address,
        **{flag: flag in parameters for flag in _FLAGS},
        options=tuple(parameter for parameter in parameters if parameter not in _FLAGS),
    )


def _is_listen_parameter(parameter: str, path: str, errors: Errors) -> bool:
    if parameter in _FLAGS:
        return True
    name = parameter.partition("=")[0]
    if name not in _SOCKET_OPTIONS:
        known = (*_FLAGS, *_SOCKET_OPTIONS)
        hint = errors.suggestion(name, known)
        errors.add(path, f"unknown parameter {shown(parameter)}{hint or '; expected one of ' + ', '.join(known)}")
        return False
    if _SOCKET_OPTIONS[name].fullmatch(parameter):
        return True
    errors.add(path, f"{shown(parameter)} is not a valid value of {name}")
    return False


def _address(given: str, path: str, errors: Errors) -> Address | None:
    """PORT, HOST:PORT, [V6]:PORT or unix:/PATH; a host name alone is an error, for its port would be a guess."""
    if given.startswith("unix:"):
        return _unix_address(given, path, errors)
    host, _colon, digits = given.rpartition(":")
    if not (digits.isascii() and digits.isdigit()) or (":" in host and not host.startswith("[")):
        errors.add(path, f"missing port in {shown(given)}; expected {_with_port(given)}")
        return None
    number = values.port(int(digits) if len(digits) < 20 else 10**20, path, errors)
    plain = host if host in ("", "*") else host_address(host)
    if plain is None:
        errors.add(path, f"{shown(host)} is neither a host name nor an address")
    return None if number is None or plain is None else Address(host=plain, port=number)


def _host(given: str, path: str, errors: Errors) -> Address | None:
    """A host without a port."""
    plain = host_address(given)
    if plain is None or (":" in plain and not given.startswith("[")):
        errors.add(path, f"{shown(given)} is neither a host name nor an address")
        return None
    return Address(host=plain)


def _unix_address(given: str, path: str, errors: Errors) -> Address | None:
    if _SOCKET_PATH.fullmatch(given[5:]):
        return Address(unix=given[5:])
    errors.add(path, f"{shown(given)} is not a Unix socket; expected unix:/path")
    return None


def is_loopback(host: str) -> bool:
    ip = _ip(host)
    return ip is not None and ip.is_loopback


def _is_ipv6(host: str) -> bool:
    # nginx takes no zone (fe80::1%eth0).
    ip = None if "%" in host else _ip(host)
    return ip is not None and ip.version == 6


# Each address of an upstream is looked at from several sides.
@functools.lru_cache(maxsize=65536)
def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _with_port(given: str) -> str:
    bare = given.strip("[]")
    return f"[{bare}]:PORT" if _is_ipv6(bare) else f"{given if _HOST.fullmatch(given) else 'HOST'}:PORT"
