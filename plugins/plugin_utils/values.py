# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single values. Each returns the value in its completed form, or None after it has noted a fault."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults, did_you_mean, kind, shown

# RFC 1123 section 2.1, and the underscore that container and inventory names use.
_HOST_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_SERVER_NAME = re.compile(rf"_|(?:\*\.)?{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_POOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# https://nginx.org/en/docs/syntax.html
_TIME = re.compile(r"(?=[0-9])" + "".join(rf"(?:[0-9]{{1,9}}{unit} ?)?" for unit in ("w", "d", "h", "m", "s?", "ms")))
# What cannot start another token, another directive or an nginx variable.
_PLAIN_PATH = re.compile(r"/[^\s;{}\"'\\$#\x00-\x1f\x7f]{0,2000}")
# nginx compares locations with a path that has none of these any more.
_NEVER_MATCHES = re.compile(r"\?|//|/\.\.?(?:/|$)")
# unix(7): 107 bytes at most.
_SOCKET_PATH = re.compile(r"/[A-Za-z0-9_./-]{0,105}[A-Za-z0-9_.-]")

_ABSOLUTE_PATH = re.compile(r"/.+")

STATES = ("present", "absent")
BALANCES = ("round_robin", "least_conn", "ip_hash")


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
        try:
            return Address(host=str(ipaddress.ip_address(self.host)), port=self.port)
        except ValueError:
            return Address(host=self.host.lower().rstrip("."), port=self.port)

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.unix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if host else str(self.port)


@dataclass(frozen=True)
class Listen:
    """One listen directive."""

    address: Address
    default_server: bool = False

    def __str__(self) -> str:
        return f"{self.address} default_server" if self.default_server else str(self.address)


@dataclass(frozen=True)
class LocationPath:
    """The text of a location: an optional modifier and a path."""

    modifier: str
    path: str

    def __str__(self) -> str:
        return f"{self.modifier} {self.path}" if self.modifier else self.path


_T = t.TypeVar("_T")


def each(
    items: list[object], path: str, faults: Faults, check: t.Callable[[object, str, Faults], _T | None]
) -> tuple[_T, ...] | None:
    """The items of a list, each checked, or None where one of them has a fault."""
    checked = [check(item, f"{path}[{index}]", faults) for index, item in enumerate(items)]
    return None if None in checked else tuple(item for item in checked if item is not None)


def text(value: object, path: str, faults: Faults) -> str | None:
    if isinstance(value, str):
        return str(value)
    faults.add(path, f"must be a string, not {kind(value)} ({shown(value)})")
    return None


def pool_name(value: object, path: str, faults: Faults) -> str | None:
    return _matching(_POOL_NAME, "a pool's name: letters, digits, '_', '.' and '-' only", value, path, faults)


def variable_name(value: object, path: str, faults: Faults) -> str | None:
    return _matching(_VARIABLE_NAME, "the name of a host variable", value, path, faults)


def port(value: object, path: str, faults: Faults) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        faults.add(path, f"must be an integer, not {kind(value)} ({shown(value)})")
        return None
    if 1 <= value <= 65535:
        return int(value)
    faults.add(path, f"{value} is out of range: ports are 1 to 65535")
    return None


def port_or_variable(value: object, path: str, faults: Faults) -> int | str | None:
    """A port for the whole group, or the name of the host variable that holds each host's own."""
    if isinstance(value, str) and _VARIABLE_NAME.fullmatch(value):
        return str(value)
    if isinstance(value, str):
        faults.add(path, f"must be an integer or the name of a host variable, not {shown(value)}")
        return None
    return port(value, path, faults)


def balance(value: object, path: str, faults: Faults) -> str | None:
    return _one_of(BALANCES, value, path, faults)


def state(value: object, path: str, faults: Faults) -> str | None:
    return _one_of(STATES, value, path, faults)


def absolute_path(value: object, path: str, faults: Faults) -> str | None:
    return _matching(_ABSOLUTE_PATH, "an absolute path", value, path, faults)


def nginx_time(value: object, path: str, faults: Faults) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 999_999_999:
        return str(value)
    if isinstance(value, str) and _TIME.fullmatch(value):
        # nginx takes a time of several units with spaces only inside quotes; without them it is the same time.
        return value.replace(" ", "")
    faults.add(path, f"{shown(value)} is not a time as nginx writes it: 90, 90s, 30m, 1h30m")
    return None


def websocket(value: object, path: str, faults: Faults) -> bool | str | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value == "required":
        return "required"
    faults.add(path, f"must be true, false or required, not {shown(value)}")
    return None


def server_names(value: object, path: str, faults: Faults) -> tuple[str, ...] | None:
    """One name or a list of names; the first is the site's name in messages."""
    return _one_or_more(value, path, faults, _server_name, "a site needs a name, '_' for none of its own")


def listens(value: object, path: str, faults: Faults) -> tuple[Listen, ...] | None:
    """One listen value or a list of them."""
    return _one_or_more(value, path, faults, _listen, "a site needs a port or an address")


def loopback(value: object, path: str, faults: Faults) -> Address | None:
    """HOST:PORT or [V6]:PORT on the loopback interface."""
    given = text(value, path, faults)
    address = None if given is None else _address(given, path, faults)
    if address is None or _is_loopback(address.host):
        return address
    faults.add(path, f"{shown(given)} is not an address of the loopback interface, such as 127.0.0.1:6455")
    return None


def server(value: object, path: str, faults: Faults) -> Address | None:
    """One server of a pool: host:port, [v6]:port or unix:/path."""
    given = text(value, path, faults)
    if given is None:
        return None
    address = _address(given, path, faults)
    if address is None or address.unix or address.host not in Address.ANY_IPV4:
        return address
    faults.add(path, f"{shown(given)} has no host: write it as HOST:{address.port}")
    return None


def location_path(value: object, path: str, faults: Faults) -> LocationPath | None:
    given = text(value, path, faults)
    if given is None:
        return None
    modifier, _space, rest = given.rpartition(" ")
    if _NEVER_MATCHES.search(rest):
        faults.add(path, f"{shown(given)} matches no request: nginx has taken ?, // and /../ out of a path by then")
        return None
    if modifier in ("", "=", "^~") and _PLAIN_PATH.fullmatch(rest):
        return LocationPath(modifier, rest)
    faults.add(
        path,
        f"{shown(given)} is not a path: write /path/, '= /path' or '^~ /path/', "
        "without spaces, quotes, backslashes and ; { } $ #",
    )
    return None


def _one_or_more(
    value: object, path: str, faults: Faults, check: t.Callable[[object, str, Faults], _T | None], need: str
) -> tuple[_T, ...] | None:
    if not isinstance(value, list):
        checked = check(value, path, faults)
        return None if checked is None else (checked,)
    if not value:
        faults.add(path, f"is empty: {need}")
        return None
    return each(value, path, faults, check)


def _matching(pattern: re.Pattern[str], meaning: str, value: object, path: str, faults: Faults) -> str | None:
    given = text(value, path, faults)
    if given is None or pattern.fullmatch(given):
        return given
    faults.add(path, f"{shown(given)} is not {meaning}")
    return None


def _one_of(known: tuple[str, ...], value: object, path: str, faults: Faults) -> str | None:
    given = text(value, path, faults)
    if given is None or given in known:
        return given
    faults.add(path, f"{shown(given)} is not one of {', '.join(known)}{did_you_mean(given, known)}")
    return None


def _server_name(value: object, path: str, faults: Faults) -> str | None:
    return _matching(_SERVER_NAME, "a server name: a host name, *.domain or '_'", value, path, faults)


def _listen(value: object, path: str, faults: Faults) -> Listen | None:
    if isinstance(value, int):
        number = port(value, path, faults)
        return None if number is None else Listen(Address(port=number))
    if not isinstance(value, str):
        faults.add(path, f"must be a port or an address, not {kind(value)} ({shown(value)})")
        return None
    given = str(value)
    where, *parameters = given.split() or [""]
    for parameter in parameters:
        if parameter != "default_server":
            hint = did_you_mean(parameter, ("default_server",))
            faults.add(path, f"{shown(parameter)} is not a parameter known here: default_server is{hint}")
            return None
    address = _address(where, path, faults)
    return None if address is None else Listen(address, default_server=bool(parameters))


def _address(given: str, path: str, faults: Faults) -> Address | None:
    """PORT, HOST:PORT, [V6]:PORT or unix:/PATH; a host name alone is a fault, for its port would be a guess."""
    if given.startswith("unix:"):
        return _unix_address(given, path, faults)
    host, _colon, digits = given.rpartition(":")
    if not (digits.isascii() and digits.isdigit()) or (":" in host and not host.startswith("[")):
        faults.add(path, f"{shown(given)} is no address with a port: write it as {_with_port(given)}")
        return None
    number = port(int(digits) if len(digits) < 20 else 10**20, path, faults)
    plain = host if host in ("", "*") else host_address(host)
    if plain is None:
        faults.add(path, f"{shown(host)} is neither a host name nor an address")
    return None if number is None or plain is None else Address(host=plain, port=number)


def _unix_address(given: str, path: str, faults: Faults) -> Address | None:
    if _SOCKET_PATH.fullmatch(given[5:]):
        return Address(unix=given[5:])
    faults.add(path, f"{shown(given)} is not a Unix socket: write unix:/path")
    return None


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
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(host: str) -> bool:
    try:
        # nginx takes no zone (fe80::1%eth0).
        return "%" not in host and ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _with_port(given: str) -> str:
    bare = given.strip("[]")
    return f"[{bare}]:PORT" if _is_ipv6(bare) else f"{given if _HOST.fullmatch(given) else 'HOST'}:PORT"
