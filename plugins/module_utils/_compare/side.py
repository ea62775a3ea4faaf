# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One of the two configurations: a process in namespaces of its own, where nginx runs it and is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare import configuration, sandbox
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.backends import Backends, Resolver, spelled
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.client import Client
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import Configuration, is_ip
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import (
    Answer,
    Request,
    answer_from,
    request_from,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.shipped import stand_in
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, nginx_conf

_START_SECONDS = 60
# What the program of a distribution brings along in its directory, where a copy of a configuration may lack it.
_NOT_SHARED = frozenset({"conf.d", "nginx.conf", "sites-available", "sites-enabled", "streams-enabled"})
_CERTIFICATES = ("ssl_certificate", "ssl_certificate_key", "proxy_ssl_certificate", "proxy_ssl_certificate_key")
_CAS = ("ssl_client_certificate", "ssl_trusted_certificate", "proxy_ssl_trusted_certificate")
_LOGS = ("access_log", "error_log")
_TEMPORARY = (
    "client_body_temp_path",
    "fastcgi_temp_path",
    "proxy_temp_path",
    "scgi_temp_path",
    "uwsgi_temp_path",
    "proxy_cache_path",
    "fastcgi_cache_path",
    "scgi_cache_path",
    "uwsgi_cache_path",
)
_WRITTEN = ("pid", "lock_file")
# RFC 7919 appendix A.1: parameters for where a file of them is missing.
_DH = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
# Whose credentials some requests have.
_SYSLOG = re.compile(r"syslog:server=([^,]+)")
_USER = "user:{PLAIN}password\n"
_FRAGMENT = """events { worker_connections 1024; }
http {
%s    default_type application/octet-stream;
    include "%s";
}
"""


# A path of which no part could lead elsewhere, and whose last part is a file's.
_STATIC = re.compile(r"(?:/[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]+\.[a-z0-9]{2,5}")


class CompareError(Exception):
    """A configuration cannot be run, or nothing can."""


@dataclass(frozen=True)
class Program:
    """The nginx of the host, and the paths that were built into it."""

    binary: str
    # The directory of nginx.conf, and that of relative logs.
    root: Path
    prefix: Path
    pid_file: Path
    # Files and directories that it writes unless the configuration names others.
    files: t.Sequence[Path]
    directories: t.Sequence[Path]


def program(executable: str | None) -> Program:
    found = executable or binary.find_binary()
    if found is None:
        raise CompareError("nginx is not installed")
    try:
        output = binary.run([found, "-V"]).stderr
    except binary.NginxError as error:
        raise CompareError(str(error)) from error
    if "nginx version:" not in output:
        raise CompareError(f"{found} is no nginx")
    paths = dict(re.findall(r"--([a-z-]+-path|prefix)='?([^\s']+)", output))
    prefix = Path(paths.get("prefix", "/usr/local/nginx"))
    main = prefix / paths.get("conf-path", "conf/nginx.conf")
    logs = [prefix / paths.get(name, f"logs/{name[:-5]}") for name in ("http-log-path", "error-log-path")]
    return Program(
        binary=found,
        root=main.parent,
        prefix=prefix,
        pid_file=prefix / paths.get("pid-path", "logs/nginx.pid"),
        files=[
            *(path for path in logs if path.name != "stderr"),
            prefix / paths.get("pid-path", "logs/nginx.pid"),
            prefix / paths.get("lock-path", "logs/nginx.lock"),
        ],
        directories=[prefix / path for name, path in paths.items() if name.endswith("-temp-path")]
        or [prefix / "client_body_temp"],
    )


class Side:
    """The process of one configuration, seen from the one that compares."""

    def __init__(self, name: str, path: Path, nginx: Program, certificate: Path, directory: Path) -> None:
        self._name = name
        self._socket, theirs = socket.socketpair()
        # What is buffered would be written twice.
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            _run(theirs, path, nginx, certificate, directory)
        theirs.close()
        self._stream = self._socket.makefile("rw", encoding="utf-8", errors="surrogateescape")
        self.configuration: Configuration
        self.notes: list[str] = []
        # Directories of static files that the host does not have, see Runner.missing_roots.
        self.roots: set[tuple[str, str, str]] = set()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        with contextlib.suppress(OSError):
            self._stream.close()
        self._socket.close()

    def read(self) -> None:
        """Have the configuration as it is read there."""
        top, notes, roots = self._received()
        self.configuration = Configuration(configuration.from_list(top))
        self.notes = [f"{self._name}: {note}" for note in notes]
        self.roots = {(root[0], root[1], root[2]) for root in roots}

    def start(self, roots: t.Iterable[tuple[str, str, str]]) -> None:
        """Have nginx serve it, with files in the missing directories of both."""
        self._stream.write(json.dumps(sorted(roots)) + "\n")
        self._stream.flush()

    def wait(self) -> None:
        """Wait until it does."""
        self._received()

    def ask(self, requests: t.Sequence[Request]) -> None:
        self._stream.write(json.dumps([one.as_dict() for one in requests]) + "\n")
        self._stream.flush()

    def answers(self) -> list[Answer]:
        return [answer_from(one) for one in self._received()]

    def _received(self) -> t.Any:
        line = self._stream.readline()
        if not line:
            raise CompareError(f"{self._name}: the process that runs nginx has ended")
        message = json.loads(line)
        if "error" in message:
            raise CompareError(f"{self._name}: {message['error']}")
        return message["result"]


def _run(parent: socket.socket, path: Path, nginx: Program, certificate: Path, directory: Path) -> t.NoReturn:
    """What the process of a configuration does; it never returns to what the parent was doing."""
    status = 1
    stream = parent.makefile("rw", encoding="utf-8", errors="surrogateescape")
    try:
        sandbox.die_with_parent()
        sandbox.enter()
        first = os.fork()
        if first:
            os.waitpid(first, 0)
        else:
            # With this process, all others in its namespace end.
            sandbox.die_with_parent()
            _serve(stream, Runner(path, nginx, certificate, directory))
        status = 0
    except (CompareError, sandbox.SandboxError, OSError) as error:
        _send(stream, {"error": str(error)})
    except Exception as error:
        _send(stream, {"error": repr(error)})
    finally:
        os._exit(status)


def _send(stream: t.TextIO, message: t.Mapping[str, t.Any]) -> None:
    with contextlib.suppress(OSError):
        stream.write(json.dumps(message) + "\n")
        stream.flush()


def _serve(stream: t.TextIO, runner: Runner) -> None:
    top = runner.read()
    _send(stream, {"result": [top.as_list(), runner.notes, runner.missing_roots()]})
    runner.start([(Path(root), beginning, path) for root, beginning, path in json.loads(stream.readline())])
    _send(stream, {"result": None})
    for line in stream:
        requests = [request_from(one) for one in json.loads(line)]
        runner.add_files({request.target for request in requests})
        _send(stream, {"result": [runner.client.ask(request).as_dict() for request in requests]})


class Runner:
    """In the namespaces: puts the files of a configuration in place, and has nginx serve it."""

    def __init__(self, path: Path, nginx: Program, certificate: Path, directory: Path) -> None:
        self._path = path
        self._nginx = nginx
        self._certificate = certificate.read_text()
        self._directory = directory
        self.client: Client
        self._files: sandbox.Files
        self._main: Path
        self._config: Configuration
        # What the report has to say of how it was run.
        self.notes: list[str] = []
        # Directories that the host does not have, with the beginning of the paths that are in them.
        self._roots: list[tuple[Path, str]] = []

    def read(self) -> configuration.Directive:
        sandbox.connect_all_addresses()
        files = self._files = sandbox.Files(self._directory)
        main = self._main = self._place(files)
        missing: list[str] = []
        top = configuration.read(main, missing)
        for path in dict.fromkeys(missing):
            text = stand_in(path)
            if text is not None:
                files.written(Path(path), text)
                self.notes.append(f"{path} is not there, a short form of it was used")
        if self.notes:
            top = configuration.read(main)
        self._config = Configuration(top)
        return top

    def start(self, roots: t.Sequence[tuple[Path, str, str]]) -> None:
        files, config = self._files, self._config
        names = _names(config)
        pem = Path("/.certificate.pem")
        pem.write_text(self._certificate)
        self._write_names(files, config, names)
        self._prepare(files, config)
        self._add_roots(files, roots)
        backends = Backends(pem)
        self._listen(files, config, backends, names)
        files.finish()
        self.client = Client(backends, str(pem))
        self._start_nginx(self._main, config)

    def _place(self, files: sandbox.Files) -> Path:
        """Put the configuration where nginx has its own; return its main file."""
        root = files.own_directory(self._nginx.root)
        if _is_main(self._path):
            if self._path.parent != root:
                # The copy of a tree names its own files as they will be called.
                for entry in [*root.iterdir()]:
                    if entry.name in _NOT_SHARED:
                        files.removed(entry)
                for entry in self._path.parent.iterdir():
                    files.shown(root / entry.name, self._path.parent / entry.name)
            return root / self._path.name
        types = "    include mime.types;\n" if (root / "mime.types").exists() else ""
        pattern = str(self._path)
        if self._path.is_dir():
            ends = any(one.suffix == ".conf" for one in self._path.iterdir())
            pattern += "/*.conf" if ends and not self._path.name.startswith("sites") else "/*"
        main = root / "nginx.conf"
        files.written(main, _FRAGMENT % (types, re.sub(r'(["\\])', r"\\\1", pattern)))
        return main

    def _write_names(self, files: sandbox.Files, config: Configuration, names: t.Mapping[str, str]) -> None:
        etc = files.own_directory(Path("/etc"))
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        files.written(etc / "hosts", "\n".join(lines) + "\n")
        files.written(etc / "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        # In a user namespace there is one user alone, so all names are his.
        accounts = {"nobody", "nogroup", *(name for one in config.top.all("user") for name in one.args)}
        for file, line in (("passwd", "{}:x:0:0::/:/bin/false"), ("group", "{}:x:0:")):
            files.written(etc / file, "".join(f"{line.format(name)}\n" for name in ("root", *sorted(accounts))))

    def _prepare(self, files: sandbox.Files, config: Configuration) -> None:
        """Have nginx write to memory what it writes, and find what it needs and the host does not have."""
        for path in self._nginx.files:
            files.removed(path)
        for path in self._nginx.directories:
            files.empty_directory(path)
        for directive in config.top.walk(*_LOGS, *_TEMPORARY, *_WRITTEN):
            value = directive.args[0] if directive.args else ""
            log = _SYSLOG.match(value)
            if log and log[1].startswith("unix:/"):
                files.removed(Path(log[1][len("unix:") :]))
            if not value or value in ("off", "stderr") or value.startswith(("syslog:", "memory:", "/dev/", "$")):
                continue
            path = self._nginx.prefix / value.partition("$")[0]
            if "$" in value:
                files.own_directory(path.parent)
            elif directive.name in _TEMPORARY:
                files.empty_directory(path)
            else:
                files.removed(path)
        for endpoint in config.endpoints:
            if endpoint.address.startswith("unix:/"):
                files.removed(Path(endpoint.address[len("unix:") :]))
        self._replace_certificates(files, config)

    def missing_roots(self) -> list[tuple[str, str, str]]:
        """Directories of static files that are missing, each with the part of a path that it stands for, and a path."""
        http = self._config.http
        found = [(one.args[0], "/", "/") for one in http.walk("root") if one.args]
        for location in http.walk("location"):
            path = location.args[-1] if location.args else ""
            if path.startswith("/"):
                found += [(one.args[0], "/", path) for one in location.all("root") if one.args]
                found += [(one.args[0], path, path) for one in location.all("alias") if one.args]
        return [
            (str(self._nginx.prefix / value), beginning, path)
            for value, beginning, path in found
            if "$" not in value and not (self._nginx.prefix / value).exists()
        ]

    def _add_roots(self, files: sandbox.Files, roots: t.Sequence[tuple[Path, str, str]]) -> None:
        self._roots = [(root, beginning) for root, beginning, _path in roots]
        for root, beginning, path in roots:
            if root.suffix and beginning != "/" and not beginning.endswith("/"):
                # The alias of one file.
                files.written(root, f"the file {root}")
            else:
                directory = root / path[len(beginning) :].strip("/")
                files.written(directory / "index.html", f"the index of {directory}")

    def add_files(self, paths: t.Iterable[str]) -> None:
        """Have the static files that are asked for, where the host has not even their directory."""
        for path in paths:
            name = path.partition("?")[0]
            for root, prefix in self._roots:
                if _STATIC.fullmatch(name) and name.startswith(prefix):
                    file = root / name[len(prefix) :].lstrip("/")
                    with contextlib.suppress(OSError):
                        self._files.written(file, f"the file {file}")

    def _replace_certificates(self, files: sandbox.Files, config: Configuration) -> None:
        """By one made for the comparison; a password file has the credentials that some requests have."""
        root = self._nginx.root
        own = {
            root / value
            for value in config.values(*_CERTIFICATES)
            if "$" not in value and not value.startswith(("data:", "engine:"))
        }
        if all(os.access(path, os.R_OK) for path in own):
            own = set()
        # The clients' certificates have to be ours in any case, as nobody has the keys of the others.
        own.update(root / value for value in config.values(*_CAS))
        for path in own:
            files.written(path, self._certificate)
        for name, content in (("auth_basic_user_file", _USER), ("ssl_dhparam", _DH)):
            for value in config.values(name):
                if "$" not in value and not (root / value).exists():
                    files.written(root / value, content)

    def _listen(
        self, files: sandbox.Files, config: Configuration, backends: Backends, names: t.Mapping[str, str]
    ) -> None:
        own = {one.address for one in config.endpoints}
        wildcards = {one.port for one in config.endpoints if one.is_wildcard}
        for name in config.backends():
            if name.startswith("unix:"):
                path = Path(name[len("unix:") :])
                if name not in own and path.is_absolute():
                    backends.listen(name, str(files.removed(path)))
                continue
            host, _colon, port = name.rpartition(":")
            address = names.get(host, "127.0.0.1" if host == "localhost" else host.strip("[]"))
            # There nginx passes requests to itself.
            if spelled(address, int(port)) in own or (address in ("127.0.0.1", "::1") and int(port) in wildcards):
                continue
            backends.listen(name, (address, int(port)))
        resolver = Resolver({"localhost": "127.0.0.1", **names})
        for value in {value for one in config.http.walk("resolver") for value in one.args if "=" not in value}:
            host, port = value, "53"
            if re.search(r"[^:]:\d+$|\]:\d+$", value):
                host, _colon, port = value.rpartition(":")
            with contextlib.suppress(OSError):
                resolver.listen(names.get(host, host.strip("[]")), int(port))

    def _start_nginx(self, main: Path, config: Configuration) -> None:
        inherited = _inherited(config)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if inherited:
            environment["NGINX"] = "".join(f"{sock.fileno()};" for sock in inherited)
        command = [self._nginx.binary, "-c", str(main)]
        pid_file = self._nginx.prefix / next(iter(config.values("pid")), self._nginx.pid_file)
        with Path("/.output").open("w+", encoding="utf-8", errors="replace") as output:
            started = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=[sock.fileno() for sock in inherited],
            )
            for sock in inherited:
                sock.close()
            # With sockets that it inherits it stays in the foreground, as with 'daemon off'.
            until = time.monotonic() + _START_SECONDS
            while started.poll() is None and not (pid_file.exists() and pid_file.read_text()):
                if time.monotonic() > until:
                    raise CompareError(f"nginx did not start within {_START_SECONDS} seconds")
                time.sleep(0.01)
            output.seek(0)
            printed = output.read()
        if started.poll():
            found = binary.messages(printed)
            errors = [one for one in found if not one.startswith(("[warn]", "[notice]"))]
            raise CompareError("; ".join(errors) or f"nginx ended with status {started.poll()}: {printed.strip()}")


def _inherited(config: Configuration) -> list[socket.socket]:
    """Sockets that nginx takes over, as it does from an earlier nginx whose binary is exchanged.

    Where it listens at all addresses on the port of a server behind it, that server could not listen on this host. With
    SO_REUSEPORT on both, connections go to the socket that has the very address.
    """
    ports = {name.rpartition(":")[2] for name in config.backends() if not name.startswith("unix:")}
    dual = {one.address for server in config.servers for one in server.dual}
    sockets = []
    for endpoint in config.endpoints:
        if not endpoint.is_wildcard or str(endpoint.port) not in ports:
            continue
        is_v6 = endpoint.address.startswith("[")
        sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if is_v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, endpoint.address not in dual)
        sock.bind(("::" if is_v6 else "0.0.0.0", endpoint.port))
        sock.listen(511)
        sockets.append(sock)
    return sockets


def _is_main(path: Path) -> bool:
    """Whether a file is a whole configuration, and not one that belongs into the http block."""
    if path.is_dir():
        return False
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    with contextlib.suppress(nginx_conf.MainContextError):
        for directive in nginx_conf.parsed(text):
            if directive.path in (("events",), ("http",)):
                return True
    return False


def _names(config: Configuration) -> dict[str, str]:
    """An address for each name that nginx resolves."""
    found = [name.rpartition(":")[0] for name in config.backends() if not name.startswith("unix:")]
    found += config.values("allow", "deny", "set_real_ip_from")
    found += [re.sub(r":\d+$", "", log[1]) for log in map(_SYSLOG.match, config.values(*_LOGS)) if log]
    # nginx does not start where one of a stream does not resolve.
    for stream in config.top.all("stream"):
        found += [re.sub(r":\d+$", "", one.args[0]) for one in stream.walk("server", "proxy_pass") if one.args]
    for one in config.top.walk("resolver"):
        found += [re.sub(r":\d+$", "", value) for value in one.args if "=" not in value]
    for listen in config.values("listen"):
        host, colon, _port = listen.rpartition(":")
        found += [host] if colon and not listen.startswith("unix:") else []
    names: dict[str, str] = {}
    for name in map(str.lower, found):
        if (
            re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", name)
            and not is_ip(name)
            and name not in ("all", "localhost", *names)
        ):
            number = len(names) + 1
            names[name] = f"127.100.{number // 250}.{number % 250 + 1}"
    return names
