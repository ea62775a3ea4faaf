# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a socket costs in each proxy: idle memory, CPU for a handshake and a message, and messages a second.

All proxies run in turn for several rounds, and the result is the median of each figure. --write also writes the result
to docs/data-path.md and docs/data-path.svg.
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
SMALL = 64
# Bytes of the messages that go there and back, and how the table says it.
SIZES = {128: "128 B", 4096: "4 KiB", 16384: "16 KiB", 65536: "64 KiB"}
LARGEST = max(SIZES)
STREAM_SIZE, STREAM_MESSAGES, STREAM_SOCKETS = 16384, 256, 16
STREAM_MIB = STREAM_SIZE * STREAM_MESSAGES * STREAM_SOCKETS / 2**20
URLS = {"ws": "ws://127.0.0.1:3000/chat", "wss": "wss://127.0.0.1:3443/chat"}
# What Chrome sends beside what every client does, with the cookies of a session, of analytics and of a consent.
BROWSER = {
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36",
    "Origin": "https://ws.serverlab.ca",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
    "Cookie": "; ".join(f"cookie{number}={'0123456789abcdef' * 7}" for number in range(10)),
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}
FIGURES = {
    "idle": "kB per idle socket",
    "idle browser": "kB per idle socket of a browser",
    "used": "kB per socket after 64 KiB each way",
    "kernel": "kB of the kernel per idle socket",
    "handshake": "µs of CPU per handshake",
    **{f"message {size}": f"µs of CPU per message of {words}" for size, words in SIZES.items()},
    "download": "µs of CPU per MiB to the client",
    "upload": "µs of CPU per MiB to the backend",
    "rate": "messages a second",
}
CHECKS = {"proxy": "% of its CPU that the proxy used", "rest": "% of theirs that clients and backends used"}
# A proxy that used less than this was held up by something else, and its messages a second tell nothing.
SATURATED = 90
PLOTTED = ("idle browser", "used", "message 4096", "message 65536")
OURS, REFERENCE = "wsfleet", "tutorial"
# The maximum ratio of our figure to that of another proxy.
TARGETS = {
    REFERENCE: {
        ("idle", "ws"): 1.10,
        ("idle browser", "ws"): 0.90,
        ("idle", "wss"): 1.05,
        ("idle browser", "wss"): 0.92,
        ("handshake", "ws"): 1.05,
        ("handshake", "wss"): 1.05,
        ("message 128", "ws"): 1.05,
        ("message 4096", "ws"): 0.75,
        ("message 16384", "ws"): 0.50,
        ("message 65536", "ws"): 0.40,
    },
    **{
        peer: {("message 128", "ws"): 1.0, ("message 4096", "ws"): 1.0, ("message 65536", "ws"): 1.4}
        for peer in ("Envoy", "Caddy")
    },
}

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
        """Have the clients do something; returns what it cost the clients and the proxy."""
        assert self.clients.stdin
        assert self.clients.stdout
        before = self.proxy.cpu()
        self.clients.stdin.write(json.dumps(order) + "\n")
        self.clients.stdin.flush()
        answer = self.clients.stdout.readline()
        if not answer:
            sys.exit("the clients have ended")
        return {**json.loads(answer), "proxy cpu": self.proxy.cpu() - before}

    def _open(self, headers: t.Mapping[str, str]) -> Measures:
        """Open sockets with these headers; returns the cost of a socket that was used once, and of its handshake."""
        # What a proxy does once, at its first sockets, is none of the others' cost.
        self.order("reach")
        self.order("open", 64, {})
        self.order("exchange", SMALL)
        self.before, kernel = self.proxy.memory(), self.proxy.kernel_memory()
        opened = self.order("open", SOCKETS, headers)
        self.order("exchange", SMALL)
        return {
            "idle": self._grown(),
            "kernel": (self.proxy.kernel_memory() - kernel) / SOCKETS / 1024,
            "handshake": opened["proxy cpu"] / SOCKETS * 1e6,
        }

    def _grown(self) -> float:
        """kB of the proxy's memory for each socket since then."""
        time.sleep(0.3)
        return (self.proxy.memory() - self.before) / SOCKETS / 1024

    def browsers(self) -> Measures:
        return {"idle browser": self._open(BROWSER)["idle"]}

    def clients_of_all_sizes(self) -> Measures:
        opened = self._open({})
        messages = {f"message {size}": self._message(size) for size in SIZES}
        return {**opened, **messages, "used": self._grown(), **self._streams(), **self._saturated()}

    def _message(self, size: int) -> float:
        exchanged = self.order("exchange", size)
        return exchanged["proxy cpu"] / exchanged["echoes"] * 1e6

    def _streams(self) -> Measures:
        streams = {
            name: self.order(name, STREAM_SIZE, STREAM_MESSAGES, STREAM_SOCKETS) for name in ("download", "upload")
        }
        return {name: stream["proxy cpu"] / STREAM_MIB * 1e6 for name, stream in streams.items()}

    def _saturated(self) -> Measures:
        backends = proxies.cpu([self.backends.pid])
        busy = self.order("saturate", SMALL, SECONDS, BUSY_SOCKETS)
        backends = proxies.cpu([self.backends.pid]) - backends
        return {
            "rate": busy["echoes"] / busy["seconds"],
            "proxy": 100 * busy["proxy cpu"] / busy["seconds"] / proxies.CORES,
            "rest": 100 * (busy["cpu"] + backends) / busy["seconds"] / len(proxies.other_cores()),
        }


def measured(proxy: proxies.Proxy, url: str, certificate: Path) -> Measures:
    """All figures of one proxy. It is restarted for browsers, as reused memory would distort the result."""
    found: Measures = {}
    for measure in (Bench.browsers, Bench.clients_of_all_sizes):
        with contextlib.ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running = stack.enter_context(proxies.running(proxy, directory))
            found.update(measure(Bench(running, url, certificate, stack)))
    return found


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


def row(found: Results, figure: str, scheme: str, *, ratios: bool) -> list[str]:
    values = [schemes[scheme][figure] for schemes in found.values()]
    reference = found[REFERENCE][scheme][figure]
    return [number(value) + (f" ({value / reference:.2f})" if ratios else "") for value in values]


def table(found: Results) -> str:
    """A Markdown table; each number is followed by its ratio to the tutorial's."""
    lines = [["", *found]]
    for figure, title in FIGURES.items():
        lines += [[f"{title}, {scheme}", *row(found, figure, scheme, ratios=True)] for scheme in URLS]
    for figure, title in CHECKS.items():
        lines += [[f"{title}, {scheme}", *row(found, figure, scheme, ratios=False)] for scheme in URLS]
    return page.table(lines)


def missed(found: Results) -> t.Iterator[str]:
    for other, targets in TARGETS.items():
        for (figure, scheme), most in targets.items():
            ratio = found[OURS][scheme][figure] / found[other][scheme][figure]
            if ratio > most:
                yield f"{FIGURES[figure]}, {scheme}: {ratio:.2f} times that of {other}, not {most:.2f}"


def circumstances(installed: t.Mapping[str, str]) -> str:
    programs = ", ".join(f"{name} {version}" for name, version in installed.items())
    kernel = platform.release().split("-")[0]
    words = (
        f"A machine of {os.cpu_count()} cores with Linux {kernel}, all on loopback. {programs}. "
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
    proxies.build_haproxy()
    installed = proxies.versions()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as certificate:
        certificate.write(proxies.in_image("cat /bench/cert.pem"))
        certificate.flush()
        found = results(proxies.candidates(installed), Path(certificate.name))
    idle = [name for name, schemes in found.items() if min(m["proxy"] for m in schemes.values()) < SATURATED]
    text = f"{circumstances({**installed, **proxies.peer_versions()})}\n{table(found)}"
    print(text)
    for miss in missed(found):
        print(f"Missed: {miss}")
    if idle:
        print(f"Not saturated, so their messages a second are not comparable: {', '.join(idle)}")
    if arguments.write:
        write(text, found)


if __name__ == "__main__":
    main()
