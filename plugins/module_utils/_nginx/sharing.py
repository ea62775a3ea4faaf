# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway shares with the other sites of its host: what nginx would reject or take from them, and how not to."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.neighbours import (
    Listen,
    Neighbours,
    Place,
    Server,
    addresses,
)

_NO_PLACE = "no include of the http block can read the gateway's file after it"
_STATUS = "websockets_status_listen"
_ANY = ("0.0.0.0", "[::]")
# Since then http2 is a matter of each server, and not of an address.
_HTTP2_OF_SERVERS = [1, 25, 1]


@dataclass
class Sharing:
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # Addresses as the gateway writes them: those whose default server is another site's, and those whose socket has
    # options already.
    defaults: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    # Loopback addresses where another site responds in place of one of the gateway that listens on all addresses.
    loopback: list[str] = field(default_factory=list)
    # The directives of which the host has enough.
    hashes: list[str] = field(default_factory=list)
    # The file that nginx reads late enough; None for the usual one.
    path: str | None = None
    # Where the host has its CAs, if not where Debian has them.
    ca_file: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        """What changes the gateway's configuration; empty if nothing does."""
        found = {
            "ca_file": self.ca_file,
            "defaults": self.defaults,
            "hashes": self.hashes,
            "loopback": self.loopback,
            "options": self.options,
            "path": self.path,
            "warnings": self.warnings,
        }
        return found if any(found.values()) else {}


class Wanted(t.NamedTuple):
    """The gateway, in the module's options."""

    config_path: Path
    servers: t.Sequence[t.Mapping[str, t.Any]]
    upstreams: t.Sequence[t.Mapping[str, t.Any]]
    hashes: t.Mapping[str, int]


class _Own(t.NamedTuple):
    """A server of the gateway at one of its addresses."""

    at: str
    names: t.Sequence[str]
    listen: t.Mapping[str, t.Any]

    @property
    def place(self) -> str:
        return self.at if self.at == _STATUS or self.at.endswith(".redirect_http") else f"{self.at}.listen"

    @property
    def text(self) -> str:
        return str(self.listen["address"])


_Member = t.Tuple[Server, Listen]


def found(neighbours: Neighbours, wanted: Wanted, version: str, others: t.Mapping[str, str]) -> Sharing:
    """Others are the files of other gateways on the host, each with the address of its status."""
    sharing = Sharing()
    owns = [_Own(server["at"], server["names"], listen) for server in wanted.servers for listen in server["listens"]]
    by_address: dict[str, list[_Member]] = {}
    for server in neighbours.servers:
        for listen in server.listens:
            for address in listen.addresses:
                by_address.setdefault(address, []).append((server, listen))
    implicit: dict[str, Place] = {}
    pairs = [(own, address) for own in owns for address in addresses(own.text)]
    claimed = {address for own, address in pairs if own.listen["default"]}
    own_addresses = {address for _own, address in pairs}
    others_alone = {address: members for address, members in by_address.items() if address not in own_addresses}
    for own, address in pairs:
        there = by_address.get(address, [])
        _check_beside(own, address, by_address, sharing)
        _check_specific(own, address, others_alone, sharing)
        if not there or not _can_share(own, there, others, sharing):
            continue
        _check_address(own, there, version, sharing)
        if address not in claimed and not any(listen.is_default for _server, listen in there):
            implicit.setdefault(own.text, there[0][0].at)
        sharing.defaults.append(own.text)
        if any(listen.options for _server, listen in there):
            sharing.options.append(own.text)
    _check_names(owns, by_address, sharing)
    _check_shared_names(neighbours, wanted, sharing)
    _place(neighbours, wanted.config_path, implicit, sharing)
    _check_hashes(neighbours, wanted, sharing)
    # Servers share addresses.
    for found_so_far in (sharing.errors, sharing.warnings, sharing.defaults, sharing.options, sharing.loopback):
        found_so_far[:] = dict.fromkeys(found_so_far)
    return sharing


def _can_share(own: _Own, there: t.Sequence[_Member], others: t.Mapping[str, str], sharing: Sharing) -> bool:
    """Whether the two can have the address at once."""
    for server, listen in there:
        if server.at.file in others:
            sharing.errors.append(
                f"{own.place}: {own.text} is already used by another gateway of this host, in {listen.at} "
                f"(websockets_status_listen: {others[server.at.file]}); set another address, or make one gateway of "
                "both"
            )
            return False
        if server.kind != "http" or own.at == _STATUS:
            what = "" if server.kind == "http" else f"{server.kind} "
            sharing.errors.append(
                f"{own.place}: {own.text} is already used by the {what}server at {listen.at}; set another address"
            )
            return False
    return True


def _check_address(own: _Own, there: t.Sequence[_Member], version: str, sharing: Sharing) -> None:
    default = next((listen for _server, listen in there if listen.is_default), None)
    if own.listen["default"] and default:
        sharing.errors.append(
            f"{own.place}: {own.text} has its default server at {default.at}, so no other can be; remove "
            f"default_server there, or '_' and default_server here"
        )
    for flag in ("ssl", "proxy_protocol"):
        first = next((listen for server, listen in there if _has(server, listen, flag)), None)
        if bool(first) != own.listen[flag]:
            has, other = f"no {flag}", f"has it at {(first or there[0][1]).at}"
            if own.listen[flag]:
                has, other = flag, f"none at {there[0][1].at}"
            sharing.errors.append(f"{own.place}: {own.text} has {has}, but {other}; it holds for the whole address")
    has_http2 = any("http2" in listen.parameters for _server, listen in there)
    if own.listen["http2"] and not has_http2 and _numbers(version) < _HTTP2_OF_SERVERS:
        sharing.errors.append(
            f"{own.place}: http2 on {own.text} would hold for {there[0][1].at} too (nginx before 1.25.1); remove it "
            "here, or add it there"
        )
    taken = next((listen for _server, listen in there if listen.options), None)
    if taken and own.listen["options"]:
        sharing.errors.append(
            f"{own.place}: the options of {own.text} are already given at {taken.at} ({' '.join(taken.options)}), and "
            f"nginx accepts them once; remove {' '.join(own.listen['options'])} here, or the others there"
        )


def _has(server: Server, listen: Listen, flag: str) -> bool:
    return flag in listen.parameters or (flag == "ssl" and server.has_ssl)


def _check_beside(own: _Own, address: str, by_address: t.Mapping[str, list[_Member]], sharing: Sharing) -> None:
    """Other addresses with the same port: nginx gives a request to the most specific one."""
    host, _colon, port = address.rpartition(":")
    if address.startswith("unix:"):
        return
    is_ipv4, any_host = not host.startswith("["), "[::]" if host.startswith("[") else _ANY[0]
    if host not in _ANY and address not in by_address:
        for server, listen in by_address.get(f"{any_host}:{port}", []):
            if server.kind == "http":
                why = f"{own.text} takes this address from {listen.at}, which listens on {any_host}:{port}"
                # Whoever has a name there may be asked for it at this address.
                notes = sharing.warnings if server.is_catch_all else sharing.errors
                hint = (
                    "set another port" if own.at == _STATUS else f"listen on {port if is_ipv4 else f'[::]:{port}'} here"
                )
                notes.append(f"{own.place}: {why}; {hint}")
                return
    off = "ipv6only=off"
    if is_ipv4 and address not in by_address:
        for _server, listen in by_address.get(f"[::]:{port}", []):
            if off in listen.parameters:
                sharing.errors.append(
                    f"{own.place}: {own.text} conflicts with [::]:{port} {off} at {listen.at}, which has the IPv4 "
                    f"addresses too; listen on [::]:{port} here"
                )
                return
    if host == "[::]" and off in own.listen["options"]:
        for other, members in by_address.items():
            if other.rpartition(":")[2] == port and not other.startswith(("[", "unix:")):
                sharing.errors.append(
                    f"{own.place}: {own.text} {off} conflicts with {other} at {members[0][1].at}; remove {off}"
                )
                return


def _check_specific(own: _Own, address: str, others: t.Mapping[str, list[_Member]], sharing: Sharing) -> None:
    """Addresses of others that the gateway's listen on all addresses does not get."""
    any_host, _colon, port = address.rpartition(":")
    if any_host not in _ANY:
        return
    for other, members in others.items():
        host, _colon, their_port = other.rpartition(":")
        if their_port != port or host in _ANY or host.startswith("[") != any_host.startswith("["):
            continue
        if ipaddress.ip_address(host.strip("[]")).is_loopback:
            sharing.loopback.append(other)
        else:
            sharing.warnings.append(
                f"{own.place}: {own.text} does not include {other}, as {members[0][1].at} listens on that; list it "
                "here too if clients come there"
            )


def _check_names(owns: t.Sequence[_Own], by_address: t.Mapping[str, list[_Member]], sharing: Sharing) -> None:
    """nginx only warns of a name that is used twice on one address, and goes to the server that it read first."""
    firsts: dict[tuple[str, str], Place] = {}
    for address, members in by_address.items():
        for server, _listen in members:
            for form in (form for name in server.names for form in _forms(name)):
                firsts.setdefault((address, form), server.at)
    for own in owns:
        for address in addresses(own.text):
            for name in own.names:
                there = next((firsts[address, form] for form in _forms(name) if (address, form) in firsts), None)
                if there and name != "_":
                    sharing.errors.append(
                        f"{own.at}: '{name}' on {own.text} is already served by {there}; remove it there or here"
                    )


def _forms(name: str) -> list[str]:
    """As nginx takes it: .domain is short for the domain and *.domain."""
    if name.startswith("~"):
        return [name]
    name = name.lower()
    return [name[1:], f"*{name}"] if name.startswith(".") else [name]


def _check_shared_names(neighbours: Neighbours, wanted: Wanted, sharing: Sharing) -> None:
    for upstream in wanted.upstreams:
        at, name = upstream["at"], upstream["name"]
        if name.lower() in neighbours.upstreams:
            place = neighbours.upstreams[name.lower()]
            sharing.errors.append(f"{at}.name: '{name}' is already an upstream at {place}; choose another name")
        elif name.lower() in neighbours.passes:
            place = neighbours.passes[name.lower()]
            sharing.errors.append(
                f"{at}.name: '{name}' is a host at {place}, whose requests would come to this upstream; choose another "
                "name"
            )
        if upstream["zone"] in neighbours.zones:
            place = neighbours.zones[upstream["zone"]]
            sharing.errors.append(f"{at}: '{upstream['zone']}' is already a zone at {place}; set another zone or name")


def reached(address: str, loopback: t.Collection[str]) -> str:
    """Where a probe reaches the gateway that would go to an address of which others may have the loopback one."""
    # There is no second one of IPv6.
    return address.replace("127.0.0.1:", "127.0.0.2:") if address in loopback else address


def has_default(connect_to: str, defaults: t.Iterable[str]) -> bool:
    """Whether a probe connects to one of the addresses whose default server is another site's."""
    any_host = {"127.0.0.1": "0.0.0.0", "[::1]": "[::]"}
    host, _colon, port = connect_to.rpartition(":")
    there = {*addresses(connect_to), f"{any_host.get(host, host)}:{port}"}
    return any(there.intersection(addresses(text)) for text in defaults)


def moved_name(usual: Path) -> str:
    """The name of a file that is to come late, without what follows its last dot; that of the default is shorter."""
    return f"zz-{'websockets' if usual.name == '00-websockets.conf' else usual.stem}"


def _place(neighbours: Neighbours, usual: Path, implicit: t.Mapping[str, Place], sharing: Sharing) -> None:
    """A file after what nginx has to read before the gateway's."""
    name, now = moved_name(usual), neighbours.order_of(usual)
    reasons = {}
    for place in implicit.values():
        at = " and ".join(address for address, other in implicit.items() if other == place)
        reasons[place] = (
            f"the server at {place} is the default one of {at} only because it comes first, and {_NO_PLACE}: "
            f"add default_server to its listen {at}, or move it to a file of its own"
        )
    for place in neighbours.before_maps:
        why = f"nginx accepts what {place} sets before the first map only, and {_NO_PLACE}"
        reasons[place] = f"{why}: move it up, before the includes"
    late = [] if now is None else [place for place in reasons if place.order > now]
    if not late:
        return
    path = neighbours.place_after(max(place.order for place in late), name)
    sharing.path = str(path) if path else None
    if path is None:
        sharing.errors += [
            f"websockets_sites: {reasons[place]}" for place in late if not neighbours.place_after(place.order, name)
        ]


def _check_hashes(neighbours: Neighbours, wanted: Wanted, sharing: Sharing) -> None:
    order, first_map = neighbours.order_of(Path(sharing.path or wanted.config_path)), neighbours.first_map
    for name, needed in wanted.hashes.items():
        if name in neighbours.hashes:
            value, place = neighbours.hashes[name]
            # With too small a size of this one, nginx only warns.
            if value >= needed or name == "variables_hash_bucket_size":
                sharing.hashes.append(name)
            else:
                sharing.errors.append(
                    f"websockets_sites: the names need {name} {needed}, and {place} sets {value}, which nginx accepts "
                    f"only once: set {needed} there"
                )
        elif name == "map_hash_bucket_size" and first_map and order is not None and first_map.order <= order:
            sharing.errors.append(
                f"websockets_sites: the origins need {name} {needed}, which nginx accepts only before the first map, "
                f"at {first_map}: set it before that"
            )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
