# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a socket costs at each proxy: memory while idle, CPU for a handshake and a message, and messages a second.

All proxies run in turn with each other, several rounds, and the median of each figure counts. --write puts the result
into docs/data-path.md and docs/data-path.svg.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import page
import plot
import proxies

HERE = Path(__file__).resolve().parent
PAGE = proxies.ROOT / "docs" / "data-path.md"
PLOT = proxies.ROOT / "docs" / "data-path.svg"

ROUNDS = 3
SOCKETS = 1000
BUSY_SOCKETS = 128
SECONDS = 1.5
SMALL, LARGE = 64, 16384
URLS = {"ws": "ws://127.0.0.1:3000/chat", "wss": "wss://127.0.0.1:3443/chat"}
# What Chrome sends beside what every client does.
BROWSER = {
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36",
    "Origin": "https://ws.serverlab.ca",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
    "Cookie": "session=0123456789abcdef0123456789abcdef",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}
FIGURES = {
    "idle": "kB per idle socket",
    "idle browser": "kB per idle socket of a browser",
    "handshake": "µs of CPU per handshake",
    "message": "µs of CPU per message",
    "large": "µs of CPU per message of 16 KiB",
    "rate": "messages a second",
}
CHECKS = {"proxy": "% of its CPU that the proxy used", "rest": "% of theirs that clients and backends used"}
# A proxy that used less than this was held up by something else, and its messages a second tell nothing.
SATURATED = 90
PLOTTED = ("idle", "handshake", "message", "rate")
REFERENCES = ("tutorial", "nginx's sizes")

Measures = t.Dict[str, float]
Results = t.Dict[str, t.Dict[str, Measures]]


class Bench:
    """Clients and backends around one running proxy."""

    def __init__(self, proxy: proxies.Running, url: str, certificate: Path, stack: contextlib.ExitStack) -> None:
        self.proxy = proxy
        ports = [str(port) for port in proxies.BACKENDS]
        self.backends = self._python(stack, "echo.py", *ports)
        assert self.backends.stdout
        self.backends.stdout.readline()
        self.clients = self._python(stack, "load.py", url, str(certificate))

    def _python(self, stack: contextlib.ExitStack, script: str, *arguments: str) -> subprocess.Popen[str]:
        command = self.proxy.command(sys.executable, HERE / script, *arguments)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def order(self, *order: object) -> Measures:
        """Have the clients do something; what it took of them and of the proxy."""
        assert self.clients.stdin
        assert self.clients.stdout
        before = self.proxy.cpu()
        self.clients.stdin.write(json.dumps(order) + "\n")
        self.clients.stdin.flush()
        answer = self.clients.stdout.readline()
        if not answer:
            sys.exit("the clients have ended")
        return {**json.loads(answer), "proxy cpu": self.proxy.cpu() - before}

    def idle(self, headers: t.Mapping[str, str]) -> tuple[float, float]:
        """Bytes of a socket that was opened with these headers and has spoken, and CPU seconds of its handshake."""
        before, count = self.proxy.memory(), SOCKETS
        opened = self.order("open", count, headers)
        self.order("exchange", SMALL)
        time.sleep(0.3)
        return (self.proxy.memory() - before) / count, opened["proxy cpu"] / count

    def measures(self) -> Measures:
        # What a proxy does once, at its first sockets, is none of the others' cost.
        self.order("open", 64, {})
        self.order("exchange", SMALL)
        idle, handshake = self.idle({})
        browser, _handshake = self.idle(BROWSER)
        quiet = self.order("exchange", SMALL)
        large = self.order("exchange", LARGE)
        backends = proxies.cpu([self.backends.pid])
        busy = self.order("saturate", SMALL, SECONDS, BUSY_SOCKETS)
        backends = proxies.cpu([self.backends.pid]) - backends
        return {
            "idle": idle / 1024,
            "idle browser": browser / 1024,
            "handshake": handshake * 1e6,
            "message": quiet["proxy cpu"] / quiet["echoes"] * 1e6,
            "large": large["proxy cpu"] / large["echoes"] * 1e6,
            "rate": busy["echoes"] / busy["seconds"],
            "proxy": 100 * busy["proxy cpu"] / busy["seconds"] / proxies.CORES,
            "rest": 100 * (busy["cpu"] + backends) / busy["seconds"] / len(proxies.other_cores()),
        }


def measured(proxy: proxies.Proxy, url: str, certificate: Path) -> Measures:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(proxies.running(proxy, directory))
        return Bench(running, url, certificate, stack).measures()


def results(candidates: list[proxies.Proxy], certificate: Path) -> Results:
    rounds: dict[tuple[str, str], list[Measures]] = {}
    for number in range(ROUNDS):
        for proxy in candidates:
            for scheme, url in URLS.items():
                print(f"round {number + 1} of {ROUNDS}: {proxy.name}, {scheme}", file=sys.stderr)
                rounds.setdefault((proxy.name, scheme), []).append(measured(proxy, url, certificate))
    return {proxy.name: {scheme: median(rounds[proxy.name, scheme]) for scheme in URLS} for proxy in candidates}


def median(rounds: list[Measures]) -> Measures:
    return {figure: statistics.median(measures[figure] for measures in rounds) for figure in rounds[0]}


def number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def row(found: Results, figure: str, scheme: str, references: t.Sequence[str]) -> list[str]:
    cells = []
    for schemes in found.values():
        value = schemes[scheme][figure]
        ratios = " / ".join(f"{value / found[reference][scheme][figure]:.2f}" for reference in references)
        cells.append(number(value) + (f" ({ratios})" if ratios else ""))
    return cells


def table(found: Results) -> str:
    """In Markdown; behind each number its ratios to that of each of the two references."""
    lines = [["", *found]]
    for figure, title in FIGURES.items():
        lines += [[f"{title}, {scheme}", *row(found, figure, scheme, REFERENCES)] for scheme in URLS]
    for figure, title in CHECKS.items():
        lines += [[f"{title}, {scheme}", *row(found, figure, scheme, ())] for scheme in URLS]
    return page.table(lines)


def circumstances(installed: t.Mapping[str, str]) -> str:
    programs = ", ".join(f"{name} {version}" for name, version in installed.items())
    kernel = platform.release().split("-")[0]
    words = (
        f"A machine of {os.cpu_count()} cores with Linux {kernel}, all on loopback. Debian 12's {programs}. "
        f"{SOCKETS} sockets each, {BUSY_SOCKETS} of them busy for the messages a second; "
        f"medians of {ROUNDS} rounds."
    )
    return page.paragraph(words)


def write(text: str, found: Results) -> None:
    page.write(PAGE, text)
    panels = {
        FIGURES[figure]: {name: [schemes[scheme][figure] for scheme in URLS] for name, schemes in found.items()}
        for figure in PLOTTED
    }
    PLOT.write_text(plot.svg(panels, list(URLS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/data-path.md and docs/data-path.svg too")
    arguments = parser.parse_args()
    proxies.build()
    installed = proxies.versions()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as certificate:
        certificate.write(proxies.in_image("cat /bench/cert.pem"))
        certificate.flush()
        found = results(proxies.candidates(installed), Path(certificate.name))
    idle = [name for name, schemes in found.items() if min(m["proxy"] for m in schemes.values()) < SATURATED]
    text = f"{circumstances(installed)}\n{table(found)}"
    print(text)
    if idle:
        print(f"Not saturated, so their messages a second tell nothing: {', '.join(idle)}")
    if arguments.write:
        write(text, found)


if __name__ == "__main__":
    main()
