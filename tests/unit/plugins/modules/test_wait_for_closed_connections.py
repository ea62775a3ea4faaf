# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module counts and closes. The connections are those of the test, in the place of nginx's."""

from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from running import run

# They look at all of the machine's processes, or start some that look like nginx: one test at a time.
pytestmark = pytest.mark.xdist_group("nginx processes")

# The module with the process that started it in the place of nginx. The files of the configuration, with their ports,
# are given first, then what deploys keep.
PROGRAM = """
import json, os, sys
from pathlib import Path
from ansible_collections.wsfleet.nginx.plugins.module_utils import _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from ansible_collections.wsfleet.nginx.plugins.modules import wait_for_closed_connections

listens = json.loads(sys.argv.pop(1))
journal.Journal.__init__.__defaults__ = (Path(sys.argv.pop(1)),)
binary.find_binary = lambda: "nginx"
binary.installed = lambda: "nginx"
binary.listens = lambda _build: listens
processes.sockets = lambda _build: _worker_sockets.held(os.getppid())
wait_for_closed_connections._CLOSE_SECONDS = 0
wait_for_closed_connections.main()
"""
ADDRESS, OWN = "127.0.0.1:488", "/etc/nginx/conf.d/00-websockets.conf"


class Connection:
    """An open connection to a server, and what the module does with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.client = socket.create_connection(("127.0.0.1", self.port))
        self.server = self.listening.accept()[0]
        # Of several configurations.
        kept = journal.Journal(ADDRESS, directory / "kept")
        kept.set_deployed(journal.Deployed([], [], files=(OWN,), live_address=ADDRESS))

    def end(self) -> None:
        for end in (self.client, self.server, self.listening):
            end.close()

    def run(self, listens: t.Mapping[str, t.Sequence[int]] | None = None, **options: t.Any) -> dict[str, t.Any]:
        arguments = ["-c", PROGRAM, json.dumps(listens or {}), str(self.directory / "kept")]
        done = run(self.directory, arguments, {"live_address": ADDRESS, **options})
        found: dict[str, t.Any] = json.loads(done.stdout)
        return found

    @property
    def is_open(self) -> bool:
        """No end is told that the other one has closed it."""
        for end in (self.client, self.server):
            end.setblocking(False)
            try:
                if end.recv(1) == b"":
                    return False
            except BlockingIOError:
                pass
        return True


@pytest.fixture
def connection(tmp_path: Path) -> t.Iterator[Connection]:
    found = Connection(tmp_path)
    yield found
    found.end()


def test_connections_are_counted_by_where_they_lead(connection: Connection) -> None:
    peer = f"127.0.0.1:{connection.port}"
    result = connection.run(peers=[peer])
    assert (result["open"], result["left"], result["closed"], result["changed"]) == (1, {peer: 1}, 0, False)
    result = connection.run(listening=[str(connection.port)], timeout=0.1)
    assert (result["open"], result["left"]) == (1, {f"port {connection.port}": 1})
    assert connection.is_open


def closes(connection: Connection, **options: t.Any) -> None:
    # The process of the test does not close it when its other end has.
    result = connection.run(force=True, **options)
    assert (result["open"], result["reason"]) == (1, "nginx did not close them")
    assert not connection.is_open


def test_what_is_left_is_closed_if_that_is_wanted(connection: Connection) -> None:
    peer = f"127.0.0.1:{connection.port}"
    assert connection.run(peers=[peer], force=True, _ansible_check_mode=True)["open"] == 1
    assert connection.is_open
    closes(connection, peers=[peer])


def test_clients_at_a_port_of_this_configuration_alone_are_closed(connection: Connection) -> None:
    closes(connection, listening=[str(connection.port)], listens={OWN: [connection.port], "/other": [1]})


def test_clients_at_a_port_of_other_sites_stay(connection: Connection) -> None:
    """Nobody can tell from outside whose they are."""
    ports = {OWN: [connection.port], "/etc/nginx/sites-enabled/app": [80, connection.port]}
    result = connection.run(ports, listening=[str(connection.port)], force=True)
    assert (result["open"], result["changed"]) == (1, False)
    assert result["reason"] == f"port {connection.port} is also a port of /etc/nginx/sites-enabled/app"
    assert connection.is_open


def test_connections_to_unix_sockets_are_closed(connection: Connection) -> None:
    path = str(connection.directory / "s")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(path)
        listening.listen()
        client.connect(path)
        with listening.accept()[0]:
            result = connection.run(peers=[f"unix:{path}"], force=True)
            assert result["left"] == {f"unix:{path}": 1}
            assert client.recv(1) == b""
    assert connection.is_open


def test_closing_ends_with_the_time_that_is_given(connection: Connection) -> None:
    result = connection.run(peers=[f"127.0.0.1:{connection.port}"], force=True, force_timeout=-1)
    assert (result["open"], result["closed"], result["reason"]) == (1, 0, "")
    assert connection.is_open


def test_a_rate_of_nothing_is_an_error(connection: Connection) -> None:
    assert connection.run(rate=0)["msg"] == "rate must be greater than 0"


def test_a_server_that_does_not_resolve_is_an_error(connection: Connection) -> None:
    result = connection.run(peers=["nowhere.invalid:1"])
    assert result["failed"]
    assert result["msg"].startswith("cannot count the connections: ")


def test_clients_can_be_closed_only_if_it_is_known_whose_they_are(connection: Connection) -> None:
    result = connection.run(listening=["80"], force=True, live_address=None)
    assert result["msg"] == "force requires live_address with listening"


def test_without_nginx_there_are_none(tmp_path: Path) -> None:
    program = "from ansible_collections.wsfleet.nginx.plugins.modules import wait_for_closed_connections as w\n"
    program += "w.binary.find_binary = lambda: None\nw.main()"
    done = run(tmp_path, ["-c", program], {"listening": ["22"], "timeout": 60})
    assert json.loads(done.stdout)["open"] == 0
