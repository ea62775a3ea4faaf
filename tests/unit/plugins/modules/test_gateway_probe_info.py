# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module against servers on loopback. What it says of nginx itself is verified by a scenario of Molecule."""

from __future__ import annotations

import http
import json
import socket
import threading
import typing as t
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._host import UNSEEN, Program
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal, live_config
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_probe_info
from running import run
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

# They look at all of the machine's processes, or start some that look like nginx: one test at a time.
pytestmark = pytest.mark.xdist_group("nginx processes")

TOKEN = "Bearer 0123456789"
# It is logged, too, with what was asked for.
PROGRAM = """
import sys
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_probe_info

AnsibleModule.log = lambda self, message, log_args=None: print(message, log_args, file=sys.stderr)
gateway_probe_info.main()
"""


def run_module(tmp_path: Path, **options: t.Any) -> tuple[dict[str, t.Any], str]:
    """The result, and everything that was printed or logged."""
    done = run(tmp_path, ["-c", PROGRAM], options)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), done.stdout + done.stderr


@contextmanager
def backend() -> t.Iterator[int]:
    """A WebSocket server for those who know the token; others are told what they sent."""

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        given = request.headers.get("Authorization", "nothing")
        return None if given == TOKEN else connection.respond(http.HTTPStatus.FORBIDDEN, given)

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
    return port


def probe(at: str, port: int, **options: t.Any) -> dict[str, t.Any]:
    return {
        "at": at,
        "site": "a.example",
        "path": f"/{at}",
        "url": f"ws://a.example/{at}",
        "connect_to": f"127.0.0.1:{port}",
        "websocket": True,
        **options,
    }


def test_a_failed_probe_is_a_result_with_a_hint_and_the_module_does_not_fail(tmp_path: Path) -> None:
    with backend() as port:
        nowhere = closed_port()
        route_backends = {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{nowhere}"]}
        given = [
            probe("good", port, headers={"Authorization": TOKEN}),
            probe("closed", nowhere, backends=route_backends),
            probe("refused", port),
        ]
        result, _printed = run_module(tmp_path, probes=given)
    good, closed, refused = result["probes"]
    assert (good["at"], good["status"], good["verified"], good["failure"], good["hint"]) == (
        *("good", 101, "handshake", "", ""),
    )
    assert good["milliseconds"] > 0
    assert (closed["site"], closed["path"], closed["status"], closed["verified"]) == ("a.example", "/closed", None, "")
    assert closed["hint"] == f"probed directly: 127.0.0.1:{nowhere} refused the connection: nothing listens there"
    assert (refused["status"], refused["failure"]) == (403, "returned 403 Forbidden")
    assert refused["hint"].endswith("set probe.origin to an Origin that it accepts")
    assert result["changed"] is False
    assert not {"failed", "nginx_version", "fingerprint", "file"} & result.keys()


def test_a_route_whose_backend_rejects_an_undescribed_handshake_is_unverified(tmp_path: Path) -> None:
    with backend() as port:
        route_backends = {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{port}"]}
        given = [
            probe("loose", port, backends=route_backends, strict=False),
            probe("strict", port, backends=route_backends),
        ]
        result, _printed = run_module(tmp_path, probes=given)
    loose, strict = result["probes"]
    assert (loose["status"], loose["verified"], loose["failure"], loose["hint"]) == (403, "", "", "")
    assert loose["unverified"].startswith("the backend returns 403 at /; set probe.origin")
    assert (strict["failure"], strict["unverified"]) == ("returned 403 Forbidden", "")


def test_servers_are_probed_by_the_handshake_of_their_route(tmp_path: Path) -> None:
    with backend() as port, socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere, hangs = closed_port(), silent.getsockname()[1]
        addresses = [f"127.0.0.1:{number}" for number in (port, nowhere, hangs)]
        route_backends = {"url": "ws://a.example/", "addresses": [addresses[0]], "headers": {"Authorization": TOKEN}}
        given = [
            probe("with", port, backends=route_backends),
            probe("without", port, backends={**route_backends, "headers": {}}),
        ]
        asked = [
            {"at": "with", "addresses": [*addresses, "nobody.invalid:80"]},
            {"at": "without", "addresses": addresses[:1]},
            # Such as one whose probe is false.
            {"at": "unknown", "addresses": addresses},
        ]
        result, _printed = run_module(tmp_path, probes=given, backends=asked, _ansible_check_mode=True)
    found = [(item["at"], item["address"], item["state"], item["status"]) for item in result["backends"]]
    assert found == [
        ("with", addresses[0], "up", 101),
        ("with", addresses[1], "refused", None),
        ("with", addresses[2], "timeout", None),
        ("with", "nobody.invalid:80", "failed", None),
        ("without", addresses[0], "unexpected", 403),
    ]
    assert result["backends"][0]["milliseconds"] > 0
    assert result["backends"][1]["failure"] == "refused the connection: nothing listens there"


def test_the_headers_of_a_probe_are_in_no_result_and_no_log(tmp_path: Path) -> None:
    with backend() as port:
        route_backends = {
            "url": "ws://a.example/",
            "addresses": [f"127.0.0.1:{port}"],
            "headers": {"Authorization": "Basic 9876"},
        }
        sent = {"Authorization": TOKEN}
        given = [
            probe("a", port, headers=sent, backends=route_backends),
            probe("b", port, headers={"Authorization": "wrong-one"}),
        ]
        result, printed = run_module(
            tmp_path, probes=given, backends=[{"at": "a", "addresses": route_backends["addresses"]}]
        )
    assert [item["verified"] for item in result["probes"]] == ["handshake", ""]
    assert "Invoked with" in printed
    for secret in (TOKEN, "0123456789", "Basic 9876", "9876", "wrong-one"):
        assert secret not in printed


def test_the_hint_says_that_nginx_does_not_run(tmp_path: Path) -> None:
    nowhere = closed_port()
    given = [probe("a", nowhere)]
    result, _printed = run_module(tmp_path, live_address=f"127.0.0.1:{nowhere}", probes=given)
    assert result["probes"][0]["hint"].startswith("nginx does not run, or does not listen there")


def test_a_host_without_a_live_configuration_has_its_own_results(tmp_path: Path) -> None:
    path = tmp_path / "00-websockets.conf"
    address = f"127.0.0.1:{closed_port()}"
    result, _printed = run_module(tmp_path, live_address=address, config_path=str(path))
    found = {name: result[name] for name in ("fingerprint", "connections", "file", "drained", "out_of_rotation")}
    assert found == {
        **{"fingerprint": None, "connections": None, "file": "missing"},
        **{"drained": [], "out_of_rotation": False},
    }
    path.write_text(
        "upstream a {\n    server b1:80;\n    server b2:80 weight=2 down; # drained: b2\n    server b3:80 down;\n}\n"
    )
    flag = tmp_path / "00-websockets.out"
    flag.touch()
    result, _printed = run_module(tmp_path, live_address=address, config_path=str(path), health_flag=str(flag))
    assert (result["file"], result["drained"], result["out_of_rotation"]) == (
        *(None, [{"name": "b2", "address": "b2:80"}], True),
    )


def test_what_another_program_says_at_the_live_address_is_not_taken_for_that_of_nginx(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a" * 64 if self.path == "/" else b"Active connections: 7 \n")

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        assert live_config.fingerprint(address) == "a" * 64
        result, _printed = run_module(tmp_path, live_address=address)
        server.shutdown()
        thread.join()
    assert (result["fingerprint"], result["connections"]) == (None, None)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    for option in ("config_path", "health_flag"):
        options = {"live_address": f"127.0.0.1:{closed_port()}", option: str(tmp_path)}
        done = run(tmp_path, ["-c", PROGRAM], options)
        assert json.loads(done.stdout)["msg"] == f"cannot read {tmp_path}: it is a directory; move it away"


def test_a_damaged_record_of_a_deploy_is_that_of_one_that_was_not_completed(tmp_path: Path) -> None:
    kept = journal.Journal("127.0.0.1:488", tmp_path)
    (tmp_path / "127.0.0.1:488").mkdir()
    path = tmp_path / "127.0.0.1:488/journal"
    path.write_text("{}")
    assert gateway_probe_info.unfinished_since(kept) == (
        f"an unknown time ({path} is damaged: it has JSON of another shape)"
    )


def test_what_a_deploy_left_is_returned(tmp_path: Path) -> None:
    flag = tmp_path / "00-websockets.out"
    flag.write_text("deploy\n")
    address = f"127.0.0.1:{closed_port()}"
    result, _printed = run_module(tmp_path, live_address=address, health_flag=str(flag))
    assert (result["left_out"], result["out_of_rotation"]) == (True, False)
    assert (result["unfinished"], result["deploying"], result["certificates"]) == (None, False, [])
    flag.write_text("drained\n")
    result, _printed = run_module(tmp_path, live_address=address, health_flag=str(flag))
    assert (result["left_out"], result["out_of_rotation"]) == (False, True)


@pytest.mark.parametrize(
    ("site", "on_disk", "presented", "state"),
    [
        ("a.example", "a", {"a"}, "loaded"),
        ("a.example", "a", {"old"}, "not_loaded"),
        # Another site has kept the one before.
        ("a.example", "a", {"b"}, "not_loaded"),
        ("a.example", "a", set(), None),
        # That of another site, which nginx presents to a client that names none.
        ("192.0.2.1", "a", {"b"}, "loaded"),
        ("[2001:db8::1]", "a", {"old"}, "not_loaded"),
        ("a.example", None, {"a"}, "invalid"),
        ("a.example", "", {"a"}, "missing"),
    ],
)
def test_a_certificate_is_compared_with_the_one_that_nginx_presents(
    site: str, on_disk: str | None, presented: set[str], state: str | None
) -> None:
    files, given = {"/a.pem": on_disk, "/b.pem": "b"}, {"site": site, "path": "/a.pem"}
    assert gateway_probe_info.certificate_state(files, given, presented) == state


def test_a_program_with_the_right_answer_is_not_taken_for_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(programs: list[Program] | None, *, has_orphans: bool = False) -> str | None:
        monkeypatch.setattr(_host, "blockers", lambda _address, _is_own: programs)
        return gateway_probe_info.other_program("127.0.0.1:488", None, has_orphans=has_orphans)

    liar = Program(7, "python3", "nobody")
    assert other([liar]) == other([liar], has_orphans=True) == "python3 (pid 7, user nobody)"
    assert other([]) == UNSEEN
    # The files of workers without a master may be hidden; they are nginx.
    assert other(None) is other([], has_orphans=True) is None


def test_routes_are_probed_past_the_loopback_address_of_another_site(tmp_path: Path) -> None:
    """The gateway listens on all addresses of a port, which nginx does not take for one that a site has of its own."""
    nginx = tmp_path / "nginx"
    nginx.write_text(f"#!/bin/sh\necho 'nginx version: nginx/1.26.3 --conf-path={tmp_path}/nginx.conf' >&2\n")
    nginx.chmod(0o755)
    imported = "from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary"
    program = f"{imported}\nbinary._SEARCH_PATH = '{tmp_path}'\n{PROGRAM}"
    with socket.create_server(("127.0.0.2", 0)) as gateway:
        port = gateway.getsockname()[1]
        (tmp_path / "nginx.conf").write_text(f"http {{ server {{ listen 127.0.0.1:{port}; }} }}")
        site = {"at": "websockets_sites[0]", "listens": [{"address": str(port)}]}
        options = {
            **{"live_address": f"127.0.0.1:{closed_port()}", "config_path": str(tmp_path / "00-websockets.conf")},
            **{"compared": {"servers": [site]}, "probes": [probe("a", port)]},
        }
        result = json.loads(run(tmp_path, ["-c", program], options).stdout)
        assert result["preflight"]["neighbours"]["loopback"] == [f"127.0.0.1:{port}"]
        assert result["probes"][0]["failure"].endswith(f"127.0.0.2:{port}")


@pytest.mark.parametrize("theirs", ["listen 80;", "listen 81;"])
def test_a_foreign_host_may_reach_the_default_server_of_another_site(tmp_path: Path, theirs: str) -> None:
    """As in the nginx.conf of RHEL's family, which the caller's model does not know yet."""
    nginx = tmp_path / "nginx"
    nginx.write_text(f"#!/bin/sh\necho 'nginx version: nginx/1.26.3 --conf-path={tmp_path}/nginx.conf' >&2\n")
    nginx.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(f"http {{ server {{ {theirs} }} }}")
    imported = "from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary"
    program = f"{imported}\nbinary._SEARCH_PATH = '{tmp_path}'\n{PROGRAM}"
    site = {"at": "websockets_sites[0]", "listens": [{"address": "80"}]}
    refusal = {**probe("a", 80), "websocket": False, "rule": "host", "refused_with": [421], "host": "foreign.invalid"}
    options = {
        **{"live_address": f"127.0.0.1:{closed_port()}", "config_path": str(tmp_path / "00-websockets.conf")},
        **{"compared": {"servers": [site]}, "probes": [{**refusal, "variable": "websockets_sites[0].server_name"}]},
    }
    result = json.loads(run(tmp_path, ["-c", program], options).stdout)
    assert bool(result["refusals"]) is (theirs == "listen 81;")


@pytest.mark.parametrize("program", ["echo nginx version: nginx/1.22.1 >&2", "exit 127"])
def test_the_hint_is_what_nginx_has_logged_of_the_request_where_it_says_so(tmp_path: Path, program: str) -> None:
    log, configuration, nginx = tmp_path / "own.log", tmp_path / "gateway.conf", tmp_path / "nginx"
    log.write_text("")
    configuration.write_text(f"server {{\n    error_log {log};\n}}\n")
    nginx.write_text(f"#!/bin/sh\n{program}\n")
    nginx.chmod(0o755)

    def answer(connection: ServerConnection, request: Request) -> Response:
        with log.open("a") as file:
            file.write(
                "2026/11/26 04:00:00 [error] 12#12: *7 access forbidden by rule, client: 127.0.0.1, server: a.example, "
                f'request: "GET {request.path} HTTP/1.1", host: "{request.headers["Host"]}"\n'
            )
        return connection.respond(http.HTTPStatus.FORBIDDEN, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        given = [{**probe("denied", port), "url": "ws://a.example/denied?token=sesame"}]
        options = {"live_address": f"127.0.0.1:{closed_port()}", "config_path": str(configuration), "probes": given}
        own = PROGRAM.replace(
            "gateway_probe_info.main",
            f"gateway_probe_info.binary._SEARCH_PATH = {str(tmp_path)!r}\ngateway_probe_info.main",
        )
        done = run(tmp_path, ["-c", own], options)
        server.shutdown()
        thread.join()
    hint = json.loads(done.stdout)["probes"][0]["hint"]
    assert hint.startswith("nginx's error log: [error] access forbidden by rule: ") == ("version" in program)
    assert "sesame" not in hint
