# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make site, make site again and make clean, on each machine."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest
from gateway import Gateway

# What belongs to apt, pip and the logs of both is theirs to keep.
TREE = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /root -o -path /var/cache"
    " -o -path /var/log/apt -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/log/dpkg.log"
    " -o -path /var/log/alternatives.log -o -name '*.pyc' -o -name __pycache__ \\) -prune"
    " -o -type f -not -path '/var/log/*' -printf '%p %m %s\\n' -o -printf '%p %m %l\\n'"
)
# What make clean removes last.
INSTALLED = "/root/checkout/.venv"
WORKERS = (
    "for p in /proc/[0-9]*; do case \"$(tr '\\0' ' ' 2>/dev/null <$p/cmdline)\" in 'nginx: '*) echo $p;; esac; done"
)


class Make(t.NamedTuple):
    """How a run of make ended."""

    status: int
    output: str


@dataclass(frozen=True)
class Machine:
    """A machine of the scenario."""

    name: str

    @cached_property
    def console(self) -> t.Any:
        return Gateway(self.name, "", 0).console

    def make(self, target: str) -> Make:
        # The packages of the virtual environment were downloaded beforehand.
        ended = self.console.run(f"cd /root/checkout && PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels make {target} 2>&1")
        return Make(ended.rc, ended.stdout)

    @property
    def serves(self) -> bool:
        """Whether make site has run and make clean has not."""
        return bool(self.console.file(INSTALLED).exists)

    @property
    def state(self) -> set[str]:
        """The packages and files of the machine, a line each."""
        listing = self.console.check_output(f"dpkg --get-selections; {TREE}")
        return set(listing.splitlines())

    def site(self, server_name: str, port: int) -> Gateway:
        return Gateway(self.name, server_name, port)


@pytest.fixture(scope="module", params=["fresh", "occupied"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


@pytest.fixture(scope="module")
def before(machine: Machine) -> set[str]:
    return machine.state


@pytest.fixture(scope="module")
def first(machine: Machine, before: object) -> Iterator[Make]:
    """The first run of make site; after the tests the machine is as they found it, if make clean works."""
    yield machine.make("site")
    if machine.serves:
        machine.make("clean")


@pytest.fixture
def served(machine: Machine, first: Make) -> Machine:
    """A machine with what make site brings, even after the test that takes it away."""
    if not machine.serves:
        again = machine.make("site")
        assert again.status == 0, again.output
    return machine


def test_the_first_run_proves_every_route(first: Make) -> None:
    assert first.status == 0, first.output
    table = re.findall(r"^gateway +(\S+) +(\S+) +(\d+) +(.*?) +[\d.]+$", first.output, re.MULTILINE)
    assert table == [
        ("ws.serverlab.ca", "/", "101", "handshake"),
        ("localhost", "/apiv1/", "200", "plain HTTP, upgrade not passed on"),
        ("localhost", "/apiv2/", "200", "plain HTTP, upgrade not passed on"),
        ("localhost", "/ws/", "101", "handshake"),
        ("localhost", "/", "200", "plain HTTP, upgrade not passed on"),
    ]


def test_the_backends_outlive_the_run_and_echo_through_the_gateway(served: Machine) -> None:
    site = served.site("ws.serverlab.ca", 3000)
    with site.websocket("/?describe") as connection:
        description = json.loads(connection.recv())
        connection.send("hello")
        assert connection.recv() == "hello"
        assert description["headers"]["x-forwarded-for"] == [connection.local_address[0]]
    assert description["headers"]["host"] == ["ws.serverlab.ca:3000"]


@pytest.mark.parametrize(("path", "backend"), [("/apiv1/x", "backend1"), ("/apiv2/x", "backend2"), ("/x", "backend3")])
def test_each_path_reaches_its_own_backend(served: Machine, path: str, backend: str) -> None:
    answer = served.site("localhost", 8080).request("GET", path)
    assert (answer.status, answer.json["backend"], answer.json["path"]) == (200, backend, path)


def test_the_websocket_path_reaches_the_second_upstream(served: Machine) -> None:
    with served.site("localhost", 8080).websocket("/ws/?describe") as connection:
        assert json.loads(connection.recv())["backend"] == "backend2"


def test_the_second_run_changes_nothing(served: Machine) -> None:
    workers = served.console.check_output(WORKERS)
    second = served.make("site")
    assert second.status == 0, second.output
    assert re.findall(r"changed=(\d+)", second.output) == ["0"] * 4
    # make shows the commands that it runs: the playbook, and nothing before it again.
    assert "pip install" not in second.output
    assert served.console.check_output(WORKERS) == workers


def test_the_machines_own_site_is_served_all_along(served: Machine) -> None:
    if served.name == "occupied":
        assert served.site("localhost", 8088).request("GET", "/").body == b"their own"


def test_make_clean_leaves_the_machine_as_it_was(served: Machine, before: set[str]) -> None:
    cleaned = served.make("clean")
    assert cleaned.status == 0, cleaned.output
    assert served.state ^ before == set()
    assert not served.console.file(INSTALLED).exists
    processes = served.console.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "echo-backend" not in processes
    assert ("nginx: master" in processes) == (served.name == "occupied")
    if served.name == "occupied":
        assert served.site("localhost", 8088).request("GET", "/").body == b"their own"
