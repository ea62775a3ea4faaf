# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says of a host that cannot be a gateway, each in one message."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import typing as t
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import generations, memory, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_preflight_info
from running import run

# They look at all of the machine's processes, or start some that look like nginx: one test at a time.
pytestmark = [
    pytest.mark.xdist_group("nginx processes"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the module looks no further without root rights"),
]

# The module with the only nginx, and what deploys keep, in the folder that is given first. Only the test starts others.
PROGRAM = """
import os
import sys
from pathlib import Path
from ansible_collections.wsfleet.nginx.plugins.module_utils import _certificates, _host, _selinux
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard, requirements
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober_unit
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_preflight_info

folder = sys.argv.pop(1)
_selinux._KERNEL = Path(folder) / "selinux"
_certificates._CA_FILES = (str(Path(folder) / "ca-bundle.crt"),)
_host.lowest_unprivileged_port = lambda: 1024
binary._SEARCH_PATH = os.environ["PATH"] = folder
requirements._PTRACE_SCOPE = Path(folder) / "scope"
service.POLICY = Path(folder) / "policy-rc.d"
service.has_systemd = lambda: True
prober_unit._systemd_version = lambda: 245
guard.is_of_use = lambda: True
masters = processes.masters
parent = lambda pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
processes.masters = lambda: {pid: path for pid, path in masters().items() if parent(pid) == os.getppid()}
journal.Journal.__init__.__defaults__ = (Path(folder) / "kept",)
gateway_preflight_info.main()
"""
HEAD = "This host cannot become a gateway yet; nothing was changed:\n"


@pytest.fixture(autouse=True)
def apt(tmp_path: Path) -> Path:
    """The host's package manager."""
    path = tmp_path / "apt-get"
    path.touch(0o755)
    return path


def run_module(tmp_path: Path, lowest: int = 1024, **options: t.Any) -> dict[str, t.Any]:
    """The first port that any user may listen on is a setting of the host."""
    done = run(tmp_path, ["-c", PROGRAM.replace("1024", str(lowest)), str(tmp_path)], options)
    assert done.stdout.strip().startswith("{"), done.stdout + done.stderr
    found: dict[str, t.Any] = json.loads(done.stdout)
    return found


def install(tmp_path: Path, text: str, mode: int = 0o755) -> Path:
    nginx = tmp_path / "nginx"
    nginx.write_text(text)
    nginx.chmod(mode)
    return nginx


NGINX = "#!/bin/sh\necho 'nginx version: nginx/1.26.3' >&2\n"
LIBRARY = "error while loading shared libraries: libpcre2-8.so.0: cannot open shared object file"


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (f"#!/bin/sh\necho 'nginx: {LIBRARY}' >&2\nexit 127\n", 0o755, f"nginx: {LIBRARY}"),
        ("#!/bin/sh\nexit 127\n", 0o755, "exit status 127"),
        ("#!/nowhere\n", 0o755, "No such file or directory"),
        ("\x7fELF", 0o755, "Exec format error"),
        ("#!/bin/sh\n", 0o644, "Permission denied"),
    ],
)
def test_an_nginx_that_does_not_start_is_told_with_the_reason(
    tmp_path: Path, text: str, mode: int, reason: str
) -> None:
    nginx = install(tmp_path, text, mode)
    assert run_module(tmp_path)["msg"] == f"{HEAD}{nginx} does not start: {reason}"


def test_a_host_without_nginx_may_be_one(tmp_path: Path) -> None:
    result = run_module(tmp_path)
    assert (result["changed"], result["nginx_version"], result["drained"]) == (False, None, None)


def test_one_where_nginx_can_be_neither_found_nor_installed_is_refused(tmp_path: Path, apt: Path) -> None:
    apt.unlink()
    message = "nginx is not installed, and this host has neither apt nor dnf: install nginx yourself, and run again"
    assert run_module(tmp_path)["msg"] == f"{HEAD}{message}"
    assert not run_module(tmp_path, state="absent").get("failed")
    install(tmp_path, NGINX)
    assert run_module(tmp_path)["nginx_version"] == "1.26.3"


@contextmanager
def running(binary: str, port: int = 0) -> t.Iterator[int]:
    """A master of another nginx, which listens on a port."""
    server = f"import socket, time; server = socket.create_server(('127.0.0.1', {port}))"
    program = f"{server}; print(1, flush=True); time.sleep(60)"
    command = ["bash", "-c", f"exec -a 'nginx: master process' '{binary}' -c \"{program}\""]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


PYTHON = os.path.realpath(sys.executable)


def test_an_nginx_that_is_not_on_the_path_is_refused_where_another_would_be_installed(tmp_path: Path) -> None:
    with running(PYTHON) as pid:
        message = run_module(tmp_path)["msg"]
        assert not run_module(tmp_path, state="absent").get("failed")
    assert f"nginx runs from {PYTHON} (pid {pid}), and this role would install another" in message
    assert "stop that one and disable it, or have it on the PATH" in message


def test_an_nginx_that_runs_in_the_place_of_the_installed_one_is_refused_before_the_first_deploy(
    tmp_path: Path,
) -> None:
    nginx = install(tmp_path, NGINX)
    with running(PYTHON) as pid:
        message = run_module(tmp_path, config_path="/x.conf", live_address="127.0.0.1:488")["msg"]
        assert f"nginx runs from {PYTHON} (pid {pid}), and {nginx}, which this role manages, does not run" in message
        kept = journal.Journal("127.0.0.1:488", tmp_path / "kept")
        kept.set_deployed(journal.Deployed([], [], files=("/x.conf",), live_address="127.0.0.1:488"))
        assert not run_module(tmp_path, config_path="/x.conf", live_address="127.0.0.1:488").get("failed")


def test_one_that_is_on_the_path_is_the_gateways_own(tmp_path: Path) -> None:
    (tmp_path / "nginx").symlink_to(PYTHON)
    with running(PYTHON):
        # Python is no nginx, but that is all.
        assert "prints no version" in run_module(tmp_path)["msg"]
        assert "runs from" not in run_module(tmp_path)["msg"]


def test_an_address_that_another_nginx_listens_on_is_in_use(tmp_path: Path) -> None:
    install(tmp_path, NGINX)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(PYTHON, port) as pid:
        message = run_module(tmp_path, listening=[{"address": f"127.0.0.1:{port}", "at": "a"}])["msg"]
    assert f"a: 127.0.0.1:{port} is in use by" in message
    assert f"(pid {pid})" in message


def test_a_directory_that_does_not_exist_is_told_with_its_variable(tmp_path: Path) -> None:
    directories = [{"path": str(tmp_path / "logs"), "at": "websockets_sites[0].access_log"}]
    directories += [{"path": str(tmp_path), "at": "b"}]
    # The package has it.
    directories += [{"path": "/var/log/nginx", "at": "c"}]
    message = f"websockets_sites[0].access_log: the directory {tmp_path}/logs does not exist"
    assert run_module(tmp_path, directories=directories)["msg"] == f"{HEAD}{message}"


def test_a_certificate_that_does_not_exist_is_told_with_its_variable(tmp_path: Path) -> None:
    certificates = [{"path": "/no/cert.pem", "key": "/no/key.pem", "at": "websockets_sites[0].ssl_certificate"}]
    reason = "cannot be read (No such file or directory)"
    lines = [
        f"websockets_sites[0].ssl_certificate: /no/cert.pem {reason}",
        f"websockets_sites[0].ssl_certificate_key: /no/key.pem {reason}",
    ]
    assert run_module(tmp_path, certificates=certificates)["msg"] == HEAD + "\n".join(lines)
    assert not run_module(tmp_path, certificates=certificates, state="absent").get("failed")


def test_a_name_that_no_resolver_takes_is_told_as_one_that_does_not_resolve(tmp_path: Path) -> None:
    name = {"name": "a..example", "at": "websockets_upstreams[0].servers[0]"}
    message = run_module(tmp_path, names=[name])["msg"]
    assert message.startswith(f"{HEAD}websockets_upstreams[0].servers[0]: 'a..example' does not resolve on this host (")
    assert "label empty or too long" in message


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    message = run_module(tmp_path, config_path=str(tmp_path), live_address="127.0.0.1:488")["msg"]
    assert message == f"{HEAD}cannot read {tmp_path}: it is a directory; move it away"


def test_the_names_of_what_the_last_deploy_has_drained_are_returned(tmp_path: Path) -> None:
    path = tmp_path / "00-websockets.conf"
    kept = tmp_path / "kept/127.0.0.1:488/deployed"
    kept.parent.mkdir(parents=True)
    drained = [{"name": name, "address": address} for name, address in (("b", "b:2"), ("a", "a:1"), ("b", "b:3"))]
    kept.write_text(json.dumps({"proofs": [], "passed": [], "files": [str(path)], "drained": drained}))
    result = run_module(tmp_path, config_path=str(path), live_address="127.0.0.1:488")
    assert result["drained"] == ["a", "b"]


def beside(tmp_path: Path, **files: str) -> dict[str, t.Any]:
    """What the module returns for a site on port 3000, on a host with these files of others in sites-enabled."""
    root = tmp_path / "etc"
    for folder in (root / "conf.d", root / "sites-enabled"):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "nginx.conf").write_text("http { include conf.d/*.conf; include sites-enabled/*; }")
    for name, text in files.items():
        (root / "sites-enabled" / name).write_text(text)
    install(
        tmp_path,
        f"#!/bin/sh\necho 'nginx version: nginx/1.26.3\nconfigure arguments: --conf-path={root}/nginx.conf' >&2\n",
    )
    site = {"at": "websockets_sites[0]", "names": ["ws.example"], "listens": [{"address": "3000"}]}
    path = str(root / "conf.d/00-websockets.conf")
    return run_module(tmp_path, config_path=path, live_address="127.0.0.1:488", compared={"servers": [site]})


APP = "server { listen 3000; server_name app.example; }"


def record(tmp_path: Path, address: str, file: str) -> None:
    kept = tmp_path / f"kept/{address}/deployed"
    kept.parent.mkdir(parents=True)
    files = [str(tmp_path / "etc/sites-enabled" / file)]
    kept.write_text(json.dumps({"proofs": [], "passed": [], "files": files, "live_address": address}))


def test_a_host_without_other_sites_requires_nothing(tmp_path: Path) -> None:
    assert beside(tmp_path)["neighbours"] == {}


@pytest.mark.parametrize("is_recorded", [True, False])
def test_the_file_comes_after_those_of_others_and_is_none_of_them_itself(tmp_path: Path, *, is_recorded: bool) -> None:
    for files in ({"app": APP}, {"zz-websockets.conf": "server { listen 3000; server_name ws.example; }"}):
        found = beside(tmp_path, **files)["neighbours"]
        assert found["path"] == str(tmp_path / "etc/sites-enabled/zz-websockets.conf")
        assert found["defaults"] == ["3000"]
        if is_recorded and "app" in files:
            record(tmp_path, "127.0.0.1:488", "zz-websockets.conf")


def test_the_hosts_own_cas_are_where_its_family_has_them(tmp_path: Path) -> None:
    debian, rhel = tmp_path / "ca-certificates.crt", tmp_path / "ca-bundle.crt"
    given = [{"path": str(debian), "at": "websockets_sites[0].locations[0].proxy_ssl_trusted_certificate"}]
    path = str(tmp_path / "etc/conf.d/a.conf")
    options: dict[str, t.Any] = {"live_address": "127.0.0.1:488", "certificates": given, "config_path": path}
    options["compared"] = {"ca_file": str(debian)}
    assert f"proxy_ssl_trusted_certificate: {debian} cannot be read" in run_module(tmp_path, **options)["msg"]
    command = f"openssl req -x509 -nodes -subj /CN=a -keyout /dev/null -out {rhel}"
    subprocess.run(command.split(), check=True, capture_output=True)
    # Before nginx is installed, and with it.
    assert run_module(tmp_path, **options)["neighbours"] == {}
    beside(tmp_path)
    assert run_module(tmp_path, **options)["neighbours"]["ca_file"] == str(rhel)
    rhel.rename(debian)
    assert run_module(tmp_path, **options)["neighbours"] == {}


def test_what_selinux_forbids_is_told_with_the_commands_unless_the_caller_changes_it(tmp_path: Path) -> None:
    kernel = tmp_path / "selinux"
    (kernel / "booleans").mkdir(parents=True)
    (kernel / "enforce").write_text("1")
    (kernel / "booleans/httpd_can_network_connect").write_text("0 0")
    (tmp_path / "semanage").write_text("#!/bin/sh\necho 'http_port_t tcp 80, 443, 39997'\n")
    (tmp_path / "semanage").chmod(0o755)
    listening = [{"address": address, "at": "a"} for address in ("127.0.0.1:39997", "[::]:39999", "unix:/a.sock")]
    options: dict[str, t.Any] = {"listening": listening, "connects": True}
    assert run_module(tmp_path, **options)["msg"].splitlines()[1:] == [
        "SELinux does not let nginx listen on port 39999: run `semanage port -a -t http_port_t -p tcp 39999`",
        "SELinux does not let nginx connect to servers: run `setsebool -P httpd_can_network_connect on`",
    ]
    found = run_module(tmp_path, **options, manages_selinux=True)
    assert found["selinux"] == {"ports": [39999], "connects": True}
    nothing = {"ports": [], "connects": False}
    assert run_module(tmp_path, **options, state="absent")["selinux"] == nothing
    (kernel / "enforce").write_text("0")
    assert run_module(tmp_path, **options)["selinux"] == nothing


def test_a_port_that_firewalld_does_not_open_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "firewall-cmd").write_text("#!/bin/sh\necho 'public (active)\n  ports: 39997/tcp'\n")
    (tmp_path / "firewall-cmd").chmod(0o755)
    listening = [{"address": address, "at": address} for address in ("127.0.0.1:39998", "39997", "[::]:39999")]
    assert run_module(tmp_path, listening=listening)["notices"] == [
        "[::]:39999: firewalld does not open port 39999; if clients come there directly, run "
        "`firewall-cmd --permanent --add-port=39999/tcp` and `firewall-cmd --reload`"
    ]


def test_a_conflict_with_another_site_is_told_with_its_place(tmp_path: Path) -> None:
    message = beside(tmp_path, app=APP.replace("app.example", "ws.example"))["msg"]
    place = tmp_path / "etc/sites-enabled/app"
    assert (
        message
        == f"{HEAD}websockets_sites[0]: 'ws.example' on 3000 is already served by {place}:1; remove it there or here"
    )


def test_another_gateway_on_the_same_port_is_told_as_one(tmp_path: Path) -> None:
    record(tmp_path, "127.0.0.1:489", "zz-websockets.conf")
    message = beside(tmp_path, **{"zz-websockets.conf": APP})["msg"]
    assert "3000 is already used by another gateway of this host" in message
    assert "zz-websockets.conf:1 (websockets_status_listen: 127.0.0.1:489)" in message


def test_the_program_that_holds_a_port_is_named_with_its_user(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        message = run_module(tmp_path, listening=[{"address": address, "at": "websockets_status_listen"}])["msg"]
    name = Path("/proc/self/comm").read_text().strip()
    holder = f"{name} (pid {os.getpid()}, user root)"
    assert message == (f"{HEAD}websockets_status_listen: {address} is in use by {holder}: stop it, or set another port")


@pytest.mark.parametrize(("port", "lowest", "is_warned"), [(488, 1024, False), (488, 488, True), (488, 0, True)])
def test_a_live_address_that_any_user_of_this_host_can_take_is_a_warning(
    tmp_path: Path, port: int, lowest: int, is_warned: bool
) -> None:
    options = {"config_path": str(tmp_path / "a.conf"), "live_address": f"127.0.0.1:{port}"}
    found = run_module(tmp_path, lowest, **options)["notices"]
    told = f"127.0.0.1:{port}: any local user can take this port while nginx is stopped, and nginx then does not start"
    assert (told in str(found), f"ip_unprivileged_port_start is {lowest};" in str(found)) == (is_warned, is_warned)


def test_the_kernel_says_which_port_is_the_first_that_any_user_may_take() -> None:
    assert 0 <= _host.lowest_unprivileged_port() <= 65536


def test_what_is_drained_is_found_by_a_site_where_file_and_live_address_have_both_changed(tmp_path: Path) -> None:
    kept = tmp_path / "kept/127.0.0.1:6455/deployed"
    kept.parent.mkdir(parents=True)
    # As release 0.7.0 recorded it.
    url = {"url": "ws://a.example/", "websocket": True}
    probe = {"site": "a.example", "path": "/", "connect_to": "127.0.0.1:80", **url}
    drained = [{"name": "b", "address": "b:2"}]
    kept.write_text(json.dumps({"proofs": [probe], "passed": [], "files": ["/etc/nginx/a.conf"], "drained": drained}))
    moved: dict[str, t.Any] = {"config_path": "/etc/nginx/b.conf", "live_address": "127.0.0.1:488"}
    assert run_module(tmp_path, **moved, serves=["127.0.0.1:80 a.example"])["drained"] == ["b"]
    assert run_module(tmp_path, **moved, serves=["127.0.0.1:81 a.example"])["drained"] is None


def test_memory_that_is_short_is_a_warning_only_while_workers_are_shutting_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old: list[dict[str, t.Any]] = [{"workers": 4, "since": "2026-01-31T02:00:00Z", "sockets": 9, "bytes": 50_000_000}]
    warnings: list[str] = []
    module = t.cast("t.Any", SimpleNamespace(warn=warnings.append))
    build = t.cast("t.Any", object())
    monkeypatch.setattr(processes, "master_pid", lambda _build: 7)
    monkeypatch.setattr(generations, "shown", lambda _build: old)
    for workers, available in ((set(), 1), ({9}, 200_000_000), ({9}, 100_000_000)):
        monkeypatch.setattr(processes, "workers_of", lambda _build, accepting, found=workers: found)
        monkeypatch.setattr(memory, "memory", lambda *_, free=available: {"available": free, "needed": 196_608_000})
        gateway_preflight_info.warn_of_memory(module, build, 4096)
    (warning,) = warnings
    assert warning.startswith(
        "1 earlier generation of nginx's workers with 50 MB, shutting down since 2026-01-31T02:00:00Z; a deploy that "
        "changes something makes one more, which takes up to 197 MB for websockets_capacity, and 100 MB are available: "
    )


def test_what_a_deploy_leaves_out_on_this_host_is_a_warning_before_it(tmp_path: Path) -> None:
    (tmp_path / "scope").write_text("3\n")
    (tmp_path / "policy-rc.d").write_text("exit 101")
    assert run_module(tmp_path)["notices"] == []
    wanted: dict[str, t.Any] = {"paces": True, "prober": True, "guard_upgrades": "exchange"}
    pace, prober, guard = run_module(tmp_path, **wanted)["notices"]
    assert pace.startswith("websockets_reconnect_rate: ")
    assert prober.startswith("websockets_probe_interval: ")
    assert guard.startswith(f"{tmp_path}/policy-rc.d is of somebody else")
    assert run_module(tmp_path, state="absent", **wanted)["notices"] == []
