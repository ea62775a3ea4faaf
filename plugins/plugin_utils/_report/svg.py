# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A topology as a picture: sites, paths, upstreams and servers from left to right, with their states."""

from __future__ import annotations

import html
import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Link,
    Server,
    Topology,
    Upstream,
    abbreviated,
    clean,
    counted,
)

# Pixels; the last but one is the width of a character in the fonts of the page.
_ROW, _NODE, _CHARACTER, _MARGIN = 34, 26, 7.4, 8
_COLUMNS = {"site": (0, 200), "path": (240, 150), "upstream": (440, 170), "server": (660, 260)}
_WIDTH = 920
# With more of them, those that are ok are only counted, but for a few examples.
_ROUTES, _SERVERS = 24, 8
_EXAMPLES = 8
_WRONG = 16
# With more routes that are not ok, each upstream has so many of them, and the number of the others.
_WRONG_OF_UPSTREAM = 2
# Beside the colour, for those who do not see it.
MARKS = {
    "down": "\u2715",
    "partial": "\u25d0",
    "drained": "\u2016",
    "disabled": "\u25cb",
    "not_probed": "?",
    "up": "",
    "failed": "\u2715",
}
_WORDS = {"drained": "drained", "disabled": "disabled in the inventory", "not_probed": "not probed"}


@dataclass
class _Node:
    """A box, its text, and its full name."""

    column: str
    text: str
    state: str = "up"
    title: str = ""
    y: float = 0

    @property
    def left(self) -> int:
        return _COLUMNS[self.column][0]

    @property
    def right(self) -> int:
        return self.left + _COLUMNS[self.column][1]

    def drawn(self) -> str:
        mark = f"{MARKS[self.state]} " if MARKS[self.state] else ""
        letters = int((_COLUMNS[self.column][1] - 16) / _CHARACTER)
        text = f"{mark}{self.text}"
        shown = text if len(text) <= letters else f"{text[: letters - 1]}\u2026"
        top, width = self.y - _NODE / 2, self.right - self.left
        return (
            f'<g class="node {self.state}"><title>{_escaped(self.title or text)}</title>'
            f'<rect x="{self.left}" y="{top:g}" width="{width}" height="{_NODE}" rx="4"/>'
            f'<text x="{self.left + 8}" y="{self.y + 4.5:g}">{_escaped(shown)}</text></g>'
        )


def picture(topology: Topology, failed: t.Mapping[str, int], name: str) -> str:
    """The picture; failed is the number of gateways that do not serve a route, name is unique among the pictures."""
    drawing = _Drawing(topology, failed)
    width, height = _WIDTH + 8, f"{drawing.height:g}"
    return (
        f'<svg viewBox="-4 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="{name}-title {name}-text"><title id="{name}-title">Topology</title>'
        f'<desc id="{name}-text">{_escaped(described(topology, failed))}</desc>'
        f"{''.join(drawing.edges)}{''.join(node.drawn() for node in drawing.nodes)}</svg>"
    )


def described(topology: Topology, failed: t.Mapping[str, int]) -> str:
    """What the picture shows, in words."""
    servers = [server for upstream in topology["upstreams"] for server in upstream["servers"]]
    states = Counter(server["state"] for server in servers)
    sites = len({route["site"] for route in topology["routes"]})
    lines = [
        f"{counted(sites, 'site')}, {counted(len(topology['routes']), 'route')}, "
        f"{counted(len(topology['upstreams']), 'upstream')}, {counted(len(servers), 'server')}"
    ]
    wrong = [route for route in map(route_name, topology["routes"]) if route in failed]
    if wrong:
        lines.append(f"failed: {abbreviated(wrong, _WRONG)}")
    for state, word in (("down", "down"), ("partial", "down for some gateways"), *_WORDS.items()):
        if states[state]:
            found = [server["address"] for server in servers if server["state"] == state]
            lines.append(f"{word}: {abbreviated(found, _WRONG)}")
    return "; ".join(lines)


def route_name(route: Link) -> str:
    return f"{route['site']} {route['path']}"


def route_target(route: Link) -> str:
    return route["upstream"] or route["target"]


def is_whole(topology: Topology) -> bool:
    """Whether the picture has all routes and servers."""
    servers = max((len(upstream["servers"]) for upstream in topology["upstreams"]), default=0)
    return len(topology["routes"]) <= _ROUTES and servers <= _SERVERS


class _Drawing:
    """Nodes with their positions, and the lines between them."""

    def __init__(self, topology: Topology, failed: t.Mapping[str, int]) -> None:
        self._failed, self._gateways = failed, len(topology["gateways"])
        self._upstreams = {upstream["name"]: upstream for upstream in topology["upstreams"]}
        self.nodes: list[_Node] = []
        self.edges: list[str] = []
        routes, wrong, more = self._shown(topology["routes"])
        names = dict.fromkeys(route_target(route) for route in routes)
        upstreams = [self._upstreams.get(name) or Upstream(name=name, servers=[]) for name in names]
        servers = {upstream["name"]: _servers(upstream) for upstream in upstreams}
        left = len(routes) + len(wrong) + bool(more)
        rows = max(left, sum(max(1, len(nodes)) for nodes in servers.values()), 1)
        self.height = rows * _ROW + 2 * _MARGIN
        targets = self._place_upstreams(upstreams, servers)
        y = self._place_routes(routes, targets, (self.height - left * _ROW) / 2 + _ROW / 2)
        for name, others in wrong.items():
            self._place_others(others, targets[name], y)
            y += _ROW
        if more:
            self._place_others(more, None, y)

    def _is_wrong(self, route: Link) -> bool:
        """Whether it fails, or a server is down that it may be passed to."""
        upstream = self._upstreams.get(route_target(route))
        return route_name(route) in self._failed or bool(upstream and upstream_state(upstream) != "up")

    def _shown(self, routes: t.Sequence[Link]) -> tuple[list[Link], dict[str, list[Link]], list[Link]]:
        """Those that are drawn; of those that are not ok, the number of the others by their targets; and the number of
        the others that are ok.
        """
        if len(routes) <= _ROUTES:
            return list(routes), {}, []
        wrong: dict[str, list[Link]] = {}
        for route in routes:
            if self._is_wrong(route):
                wrong.setdefault(route_target(route), []).append(route)
        most = _WRONG if sum(map(len, wrong.values())) <= _WRONG else _WRONG_OF_UPSTREAM
        # Those that fail, first.
        ordered = {
            name: sorted(found, key=lambda route: route_name(route) not in self._failed)
            for name, found in wrong.items()
        }
        fine = [route for route in routes if not self._is_wrong(route)]
        return (
            [*(route for found in ordered.values() for route in found[:most]), *fine[:_EXAMPLES]],
            {name: found[most:] for name, found in ordered.items() if found[most:]},
            fine[_EXAMPLES:],
        )

    def _place_upstreams(
        self, upstreams: t.Sequence[Upstream], servers: t.Mapping[str, t.Sequence[_Node]]
    ) -> dict[str, tuple[_Node, bool]]:
        """The right half, in the middle of the height; each upstream beside the middle of its servers."""
        rows = sum(max(1, len(nodes)) for nodes in servers.values())
        y = (self.height - rows * _ROW) / 2 + _ROW / 2
        placed: dict[str, tuple[_Node, bool]] = {}
        for upstream in upstreams:
            nodes, state = servers[upstream["name"]], upstream_state(upstream)
            size = max(1, len(nodes))
            node = _Node("upstream", upstream["name"] or "nginx itself", state, y=y + (size - 1) * _ROW / 2)
            for server in nodes:
                server.y, y = y, y + _ROW
                self._connect(node, server, server.state)
            y += 0 if nodes else _ROW
            self.nodes += [node, *nodes]
            placed[upstream["name"]] = node, state == "down"
        return placed

    def _place_routes(self, routes: t.Sequence[Link], targets: t.Mapping[str, tuple[_Node, bool]], y: float) -> float:
        """The left half, from the top: a site is beside the middle of its paths. Returns where the next one goes."""
        sites: dict[str, list[_Node]] = {}
        for route in routes:
            failed = self._failed.get(route_name(route), 0)
            words = f" {failed}/{self._gateways}" if failed and self._gateways > 1 else ""
            title = f"{route['path']}: failed on {failed} of {self._gateways}" if failed else ""
            path = _Node("path", f"{route['path']}{words}", "failed" if failed else "up", title, y)
            target, is_down = targets[route_target(route)]
            self._connect(path, target, "down" if failed or is_down else "up")
            sites.setdefault(route["site"], []).append(path)
            y += _ROW
        for name, paths in sites.items():
            state = "failed" if any(path.state == "failed" for path in paths) else "up"
            site = _Node("site", name, state, y=sum(path.y for path in paths) / len(paths))
            for path in paths:
                self._connect(site, path, "down" if path.state == "failed" else "up")
            self.nodes += [site, *paths]
        return y

    def _place_others(self, routes: t.Sequence[Link], target: tuple[_Node, bool] | None, y: float) -> None:
        """The number of routes that are not drawn; those to a target are not ok, the others are."""
        failed = sum(route_name(route) in self._failed for route in routes)
        words = f"{failed:,} of them failed" if failed else "their upstream has a server that is down"
        title = f"{counted(len(routes), 'more route')}, {words if target else 'all ok'}"
        state = "failed" if failed else "up"
        sites = len({route["site"] for route in routes})
        site = _Node("site", counted(sites, "site") if target else counted(sites, "more site"), state, title, y)
        path = _Node("path", f"{len(routes):,} more" if target else f"{len(routes):,} routes, ok", state, title, y)
        self.nodes += [site, path]
        if target:
            node, is_down = target
            self._connect(site, path, "down" if failed else "up")
            self._connect(path, node, "down" if failed or is_down else "up")

    def _connect(self, one: _Node, other: _Node, state: str) -> None:
        middle = (one.right + other.left) / 2
        self.edges.append(
            f'<path class="edge {state}" d="M{one.right} {one.y:g}C{middle:g} {one.y:g} {middle:g} {other.y:g} '
            f'{other.left} {other.y:g}"/>'
        )


def upstream_state(upstream: Upstream) -> str:
    """down where no server remains, partial where some are down."""
    states = Counter(server["state"] for server in upstream["servers"])
    if upstream["servers"] and not states["up"] + states["partial"] + states["not_probed"]:
        return "down"
    return "partial" if states["down"] + states["partial"] else "up"


def _servers(upstream: Upstream) -> list[_Node]:
    """Each server, or of many those that are not up, and the number of the others."""
    servers = upstream["servers"]
    if len(servers) <= _SERVERS:
        return [_server(server) for server in servers]
    wrong = [server for server in servers if server["state"] not in ("up", "not_probed")]
    wrong.sort(key=lambda server: server["state"] not in ("down", "partial"))
    nodes = [_server(server) for server in wrong[:_WRONG]]
    if wrong[_WRONG:]:
        states = Counter(server["state"] for server in wrong[_WRONG:])
        rest = ", ".join(f"{number:,} {_WORDS.get(state, 'down')}" for state, number in states.items())
        nodes.append(_Node("server", f"and {rest}", "down"))
    for state, words in (("up", "up"), ("not_probed", "not probed")):
        number = sum(server["state"] == state for server in servers)
        if number:
            nodes.append(_Node("server", f"{number:,} {words}", state))
    return nodes


def _server(server: Server) -> _Node:
    errors = [probe for probe in server["probes"] if probe["failure"]]
    words = _WORDS.get(server["state"], "")
    if server["state"] in ("down", "partial"):
        words = _failure(errors[0]["state"], errors[0]["status"])
    title = f"{server['address']}: {words or 'up'}"
    if errors and not _WORDS.get(server["state"]):
        title += f", for {abbreviated([probe['gateway'] for probe in errors])}"
    return _Node("server", f"{server['address']} {words}".rstrip(), server["state"], title)


def _failure(state: str, status: int | None) -> str:
    return f"returns {status}" if state == "unexpected" else state


def _escaped(text: str) -> str:
    return html.escape(clean(text))
