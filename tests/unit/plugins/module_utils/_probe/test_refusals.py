# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real nginx refuses, by the configuration as it is rendered and with the line of a rule taken away."""

from __future__ import annotations

import datetime
import http
import shutil
import socket
import subprocess
import threading
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import accept_value
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import with_headers
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from modelling import Model, sound
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[5]
# As tests/nginx.sh has it, where none is installed.
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin") or str(ROOT / ".cache/nginx/usr/sbin/nginx")
needs_nginx = pytest.mark.skipif(not Path(NGINX).exists(), reason="needs nginx: tests/nginx.sh fetches it")

MAIN = """
worker_processes 1;
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 128; }
http {
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include gateway.conf;
}
"""
ORIGIN = "https://a.example"
TOKEN = {"Authorization": "Basic YTpi"}


class Backend:
    """A server that accepts every handshake, or answers it with a status, and has all requests that came."""

    def __init__(self, status: http.HTTPStatus | None) -> None:
        self.requests: list[bytes] = []
        self._status = status
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._listening.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536)
                self.requests.append(request)
                connection.sendall(self._response(request))

    def _response(self, request: bytes) -> bytes:
        fields = dict(line.split(": ", 1) for line in request.decode().split("\r\n")[1:] if ": " in line)
        if self._status or "Sec-WebSocket-Key" not in fields:
            return f"HTTP/1.1 {self._status or 200} Some\r\nConnection: close\r\n\r\n".encode()
        accept = accept_value(fields["Sec-WebSocket-Key"])
        upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        return f"HTTP/1.1 101 Switching Protocols\r\n{upgrade}".encode()

    def close(self) -> None:
        # close() alone does not wake up accept().
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def free_ports(number: int) -> list[int]:
    listening = [socket.create_server(("127.0.0.1", 0)) for _port in range(number)]
    ports = [one.getsockname()[1] for one in listening]
    for one in listening:
        one.close()
    return ports


def answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)):
        return True


def certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "b.example")])
    now = datetime.datetime.now()
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = directory / "b.pem"
    pem.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    return pem


class Gateway(t.NamedTuple):
    model: Model
    backend: Backend
    sites: list[dict[str, t.Any]]

    def refusals(self) -> list[routes.Result]:
        return diagnosis.probe_routes(with_headers(self.model["refusals"], self.sites), ())


def sites(directory: Path, plain: int, secure: int, directives: str) -> list[dict[str, t.Any]]:
    """Locations for each rule, at two addresses."""
    users = directory / "users"
    users.write_text("a:{PLAIN}b\n")
    asking = ['auth_basic "a";', f"auth_basic_user_file {users};"]
    pem = str(certificate(directory))
    of_all: dict[str, t.Any] = {"upstream": "backend"}
    return [
        {
            "server_name": "a.example",
            "listen": f"127.0.0.1:{plain}",
            "access_log": "off",
            "directives": directives,
            "locations": [
                {**of_all, "path": "/origin/", "allowed_origins": [ORIGIN]},
                {**of_all, "path": "/required/", "websocket": "required"},
                {**of_all, "path": "/asking/", "directives": asking, "probe": {"headers": TOKEN}},
                {
                    **of_all,
                    "path": "/both/",
                    "websocket": "required",
                    "directives": asking,
                    "probe": {"headers": TOKEN},
                },
            ],
        },
        {
            "server_name": "b.example",
            "listen": f"127.0.0.1:{secure} ssl",
            "access_log": "off",
            "ssl_certificate": pem,
            "ssl_certificate_key": pem,
            "ssl_client_certificate": pem,
            "locations": [{**of_all, "path": "/"}],
        },
    ]


@contextmanager
def gateway(
    directory: Path, without: str = "", status: http.HTTPStatus | None = None, directives: str = ""
) -> t.Iterator[Gateway]:
    """nginx with the configuration of these sites, but for lines that begin so."""
    backend = Backend(status)
    plain, secure, live = free_ports(3)
    given = sites(directory, plain, secure, directives)
    model = sound(
        [{"name": "backend", "servers": [f"127.0.0.1:{backend.port}"]}],
        given,
        status=f"127.0.0.1:{live}",
        websockets_nginx_version="1.22.1",
    )
    lines = [line for line in model["lines"] if not without or not line.strip().startswith(without)]
    (directory / "gateway.conf").write_text("\n".join(lines))
    (directory / "nginx.conf").write_text(MAIN)
    nginx = subprocess.Popen([NGINX, "-p", directory, "-c", "nginx.conf", "-e", "error.log"])
    try:
        wait_until(lambda: answers(live), "nginx listens")
        assert (len(lines) < len(model["lines"])) is bool(without)
        yield Gateway(model, backend, given)
    finally:
        nginx.terminate()
        nginx.wait()
        backend.close()


REFUSED = [
    ("host", "/origin/", "refused with 421"),
    ("origin", "/origin/", "refused with 403"),
    ("upgrade", "/required/", "refused with 426"),
    ("token", "/asking/", "refused with 401"),
    ("upgrade", "/both/", "refused with 426"),
    ("token", "/both/", "refused with 401"),
    ("host", "/", "refused with 421"),
    ("certificate", "/", "refused with 400"),
]


@needs_nginx
def test_what_is_to_be_refused_is_refused_and_reaches_no_backend(tmp_path: Path) -> None:
    with gateway(tmp_path) as found:
        results = found.refusals()
    assert [(result.rule, result.probe["path"], result.verified) for result in results] == REFUSED
    assert [(result.failed, result.unverified) for result in results] == [(False, "")] * len(REFUSED)
    assert found.backend.requests == []


PASSED_ON = "returned 100 Continue and would be passed on"


A_SITE, B_SITE = "websockets_sites[0]", "websockets_sites[1]"
ORIGIN_AT = f"{A_SITE}.locations[0].allowed_origins (a.example /origin/)"
FOREIGN_HOST = "rule host: a request for a foreign Host returned 404 Not Found, not 421"
PLAIN = f"rule upgrade: a request without an upgrade {PASSED_ON}, not 426"


@needs_nginx
@pytest.mark.parametrize(
    ("line", "status", "failures", "requests"),
    [
        (
            "if ($websocket_foreign",
            None,
            {ORIGIN_AT: "rule origin: a handshake with a foreign Origin returned 101 Switching Protocols, not 403"},
            1,
        ),
        # A backend that refuses it too is none that nginx kept it from.
        (
            "if ($websocket_foreign",
            http.HTTPStatus.FORBIDDEN,
            {ORIGIN_AT: "rule origin: a handshake with a foreign Origin returned 403 Some from a backend, not 403"},
            1,
        ),
        (
            "return 421;",
            None,
            {
                f"{A_SITE}.server_name (a.example /origin/)": FOREIGN_HOST,
                f"{B_SITE}.server_name (b.example /)": FOREIGN_HOST,
            },
            0,
        ),
        (
            'if ($websocket_upgrade = "") { return 426; }',
            None,
            {
                f"{A_SITE}.locations[1].websocket (a.example /required/)": PLAIN,
                f"{A_SITE}.locations[3].websocket (a.example /both/)": PLAIN,
            },
            0,
        ),
        (
            "ssl_verify_client",
            None,
            {
                f"{B_SITE}.ssl_client_certificate (b.example /)": "rule certificate: a request without a client "
                f"certificate {PASSED_ON}, not 400"
            },
            0,
        ),
        (
            "auth_basic ",
            None,
            {
                f"{A_SITE}.locations[2].directives (a.example /asking/)": "rule token: a request without credentials "
                f"{PASSED_ON}, not 401",
                f"{A_SITE}.locations[3].directives (a.example /both/)": "rule token: a request without credentials "
                "returned 101 Switching Protocols, not 401",
            },
            1,
        ),
    ],
)
def test_a_rule_that_is_taken_away_is_noticed_and_plain_requests_reach_no_backend(
    tmp_path: Path, line: str, status: http.HTTPStatus | None, failures: dict[str, str], requests: int
) -> None:
    with gateway(tmp_path, line, status) as found:
        results = found.refusals()
    assert {diagnosis.label(result): result.response.failure for result in results if result.failed} == failures
    # The others are refused as before.
    verified = [(result.rule, result.probe["path"]) for result in results if result.verified]
    assert len(verified) == len(REFUSED) - len(failures)
    assert len(found.backend.requests) == requests


@needs_nginx
def test_a_variable_that_a_line_of_directives_sets_is_noticed(tmp_path: Path) -> None:
    """As an operator may do by mistake: the rewrite module sets it before the location looks at it."""
    opening = "set $websocket_upgrade websocket;"
    with gateway(tmp_path, directives=opening) as found:
        failed = [result for result in found.refusals() if result.failed]
    assert [(result.rule, result.response.status) for result in failed] == [("upgrade", 100), ("upgrade", 100)]
    assert found.backend.requests == []


def test_where_nothing_listens_it_is_not_known_what_is_refused() -> None:
    (port,) = free_ports(1)
    probe = {
        "site": "a.example",
        "path": "/",
        "url": f"ws://a.example:{port}/",
        "connect_to": f"127.0.0.1:{port}",
        "websocket": False,
        "rule": "upgrade",
        "refused_with": [426],
    }
    (result,) = routes.probe_all([probe])
    assert (result.failed, result.verified, result.as_refusal()["failure"]) == (False, "", "")
    assert result.unverified.startswith("a request without an upgrade: ")
    assert routes.returned([result]) == {"probes": [], "refusals": [result.as_refusal()]}
