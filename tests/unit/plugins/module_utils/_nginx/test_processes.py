# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of nginx run, and what they do."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from waiting import wait_until

# They look at all of the machine's processes, or start some that look like nginx: one test at a time.
pytestmark = pytest.mark.xdist_group("nginx processes")


@contextmanager
def master(*workers: str) -> t.Iterator[int]:
    """A process with children, all with the titles that nginx gives to its own."""
    children = "".join(f"(exec -a 'nginx: {worker}' sleep 60) & " for worker in workers)
    command = f"exec -a 'nginx: master process nginx' bash -c \"{children}wait\""
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        try:
            wait_until(lambda: len(titles(process.pid)) == len(workers), "all processes have their titles")
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def titles(pid: int) -> list[str]:
    """Of the children that have theirs already."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    return [title for title in found if title.startswith("nginx: worker")]


@pytest.mark.parametrize(
    ("workers", "accepting", "is_stopping"),
    [
        (["worker process"], 1, False),
        # A reload: those of the old configuration have open sockets.
        (["worker process is shutting down", "worker process", "worker process"], 2, False),
        # A stop.
        (["worker process is shutting down"], 0, True),
        # It has just started.
        ([], 0, False),
    ],
)
def test_a_master_is_being_stopped_where_all_its_workers_are_shutting_down(
    workers: list[str], accepting: int, is_stopping: bool
) -> None:
    with master("worker process"), master("worker process is shutting down"), master(*workers) as pid:
        assert len(processes.accepting_workers(pid)) == accepting
        assert processes.is_stopping(pid) == is_stopping


def copy_of_sleep(tmp_path: Path) -> Path:
    """An executable, as the binary of nginx."""
    binary = tmp_path / "nginx"
    shutil.copy("/bin/sleep", binary)
    return binary


def title_of(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/cmdline").read_text().partition("\0")[0]


@contextmanager
def running(binary: Path, *titles: str) -> t.Iterator[list[int]]:
    """Processes of an executable with these titles."""
    started = [
        subprocess.Popen(["bash", "-c", 'exec -a "$0" "$1" 60', title, str(binary)], start_new_session=True)
        for title in titles
    ]
    try:
        wait_until(lambda: list(map(title_of, started)) == list(titles), "all processes have their titles")
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


TITLE = "nginx: master process /usr/sbin/nginx -g daemon on;"


@pytest.mark.parametrize(
    ("titles", "is_found"),
    [
        ([TITLE], True),
        # Which one it is cannot be known.
        ([TITLE, TITLE], False),
        # A second nginx on the host.
        ([f"{TITLE} -c /etc/nginx-b/nginx.conf"], False),
        ([f"{TITLE} -qp/srv/nginx"], False),
        (["nginx: worker process"], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("recorded", [None, "", "none", "1"])
def test_a_master_whose_pid_file_is_lost_is_found_where_it_is_certain(
    tmp_path: Path, titles: list[str], is_found: bool, recorded: str | None
) -> None:
    binary, pid_file = copy_of_sleep(tmp_path), tmp_path / "nginx.pid"
    if recorded is not None:
        pid_file.write_text(recorded)
    build = Build(str(binary), "1.22.1", None, tmp_path / "nginx.conf", pid_file, None)
    with running(binary, *titles) as pids:
        assert processes.recorded_pid(build) is None
        assert processes.master_pid(build) == (pids[0] if is_found else None)
        # As after an upgrade of the package.
        binary.unlink()
        assert processes.master_pid(build) == (pids[0] if is_found else None)
        pid_file.write_text(f"{pids[0]}\n" if pids else "")
        is_master = is_found or len(titles) == 2 or "-" in "".join(titles)
        assert processes.recorded_pid(build) == (pids[0] if is_master else None)


def test_the_master_of_another_binary_is_not_taken_for_that_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    build = Build(str(tmp_path / "other" / "nginx"), "1.22.1", None, tmp_path / "nginx.conf", None, None)
    with running(copy_of_sleep(tmp_path), TITLE):
        assert processes.master_pid(build) is None


def test_the_configuration_was_loaded_before_the_oldest_worker_that_accepts_connections_was_started(
    tmp_path: Path,
) -> None:
    """A worker that crashed was started again later, without the master having read a file."""
    (tmp_path / "before").touch()
    # The start of a process is counted in ticks.
    time.sleep(0.1)
    with master("worker process is shutting down", "worker process", "worker process") as pid:
        (tmp_path / "nginx.pid").write_text(str(pid))
        build = binary.Build("nginx", "1.22.1", None, tmp_path / "nginx.conf", tmp_path / "nginx.pid", None)
        loaded = processes.loaded_at(build)
        (tmp_path / "after").touch()
        assert loaded
        assert (tmp_path / "before").stat().st_ctime < loaded < (tmp_path / "after").stat().st_ctime
    assert processes.loaded_at(build) is None


def test_a_master_is_of_the_nginx_whose_binary_it_runs(tmp_path: Path) -> None:
    def build(binary: str | Path, pid_file: Path | None = None) -> Build:
        return Build(str(binary), "1.26.3", None, tmp_path / "nginx.conf", pid_file, None)

    link, elsewhere, pid_file = tmp_path / "nginx", tmp_path / "other", tmp_path / "nginx.pid"
    with master("worker process") as pid:
        binary = os.readlink(f"/proc/{pid}/exe")
        link.symlink_to(binary)
        elsewhere.touch()
        pid_file.write_text(str(pid))
        assert processes.masters()[pid] == binary
        assert processes.is_of(build(link), pid)
        assert not processes.is_of(build(elsewhere), pid)
        assert not processes.is_of(None, pid)
        # The second binary of a package.
        assert processes.is_of(build(elsewhere, pid_file), pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="that takes root rights")
def test_root_of_a_container_finds_the_workers_of_a_master_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CAP_SYS_PTRACE only their own user may see which binary they run."""
    readlink = os.readlink

    def denied_to_root(path: str | Path) -> str:
        if str(path).endswith("/exe") and os.geteuid() == 0:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return readlink(path)

    command = ["bash", "-c", "exec -a 'nginx: worker process is shutting down' sleep 60"]
    with subprocess.Popen(command, user="nobody", group="nogroup", extra_groups=[]) as worker:
        try:
            wait_until(lambda: "sleep" in readlink(f"/proc/{worker.pid}/exe"), "it runs")
            build = Build(readlink(f"/proc/{worker.pid}/exe"), "1.26.3", None, Path("/x"), None, None)
            monkeypatch.setattr(os, "readlink", denied_to_root)
            assert processes.workers_of(build, accepting=False) == {worker.pid}
        finally:
            worker.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the root directory takes root rights")
def test_workers_in_a_container_are_no_orphans_of_this_host(tmp_path: Path) -> None:
    """A deploy ends those, and must not end the nginx of others."""
    program = "import os, sys, time; {}print(1, flush=True); time.sleep(60)"
    for change, is_orphan in ((f"os.chroot({str(tmp_path)!r}); ", False), ("", True)):
        command = ["bash", "-c", f"exec -a 'nginx: worker process' {sys.executable} -c \"{program.format(change)}\""]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout
                process.stdout.readline()
                assert (process.pid in processes.orphans()) is is_orphan
            finally:
                process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the root directory takes root rights")
def test_a_master_in_a_container_is_none_of_this_host(tmp_path: Path) -> None:
    """It has another root directory, whatever else it shares with the host."""
    program = f"import os, time; os.chroot({str(tmp_path)!r}); print(1, flush=True); time.sleep(60)"
    command = ["bash", "-c", f"exec -a 'nginx: master process' {sys.executable} -c \"{program}\""]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            assert process.pid not in processes.masters()
            own = Build(os.readlink(f"/proc/{process.pid}/exe"), "1.26.3", None, tmp_path / "nginx.conf", None, None)
            assert not processes.is_of(own, process.pid)
        finally:
            process.kill()


def test_the_sockets_are_those_of_the_workers_of_this_nginx() -> None:
    with master("worker process", "worker process is shutting down") as pid, socket.socket() as other:
        build = Build(os.readlink(f"/proc/{pid}/exe"), "1.26.3", None, Path("/x"), None, None)
        elsewhere = Build("/nowhere", "1.26.3", None, Path("/x"), None, None)
        assert processes.sockets(elsewhere) == []
        inodes = {found.inode for found in processes.sockets(build)}
        assert os.readlink(f"/proc/self/fd/{other.fileno()}")[len("socket:[") : -1] not in inodes


def test_the_sockets_of_a_worker_are_found() -> None:
    program = "import signal, socket; s = socket.socket(); print(s.fileno(), flush=True); signal.pause()"
    worker = f"exec -a 'nginx: worker process' {sys.executable} -c '{program}'"
    command = ["bash", "-c", f'exec -a "nginx: master process" bash -c "{worker} & wait"']
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout
            number = int(process.stdout.readline())
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            inode = os.readlink(f"/proc/{child}/fd/{number}")[len("socket:[") : -1]
            build = Build(os.readlink(f"/proc/{process.pid}/exe"), "1.26.3", None, Path("/x"), None, None)
            assert inode in {found.inode for found in processes.sockets(build)}
        finally:
            os.killpg(process.pid, signal.SIGKILL)


# It has a file in its memory, as nginx has its libraries.
LIBRARY = "import mmap, sys, time; file = open(sys.argv[1], 'rb'); m = mmap.mmap(file.fileno(), 0, flags=2, prot=1); {}"


@contextmanager
def loading(library: Path) -> t.Iterator[int]:
    binary = os.path.realpath(sys.executable)
    code = LIBRARY.format("print(m[0], flush=True); time.sleep(60)")
    command = ["bash", "-c", f"exec -a 'nginx: master process {binary}' {binary} -c \"{code}\" {library}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_library_that_was_replaced_by_another_one_is_noticed(tmp_path: Path) -> None:
    library, new = tmp_path / "lib.so", tmp_path / "new"
    library.write_bytes(b"as built first" * 1000)
    with loading(library) as pid:
        assert processes.replaced_files(pid) == []
        # The same package, installed again.
        shutil.copy(library, new)
        new.replace(library)
        assert processes.replaced_files(pid) == []
        new.write_bytes(b"as built later" * 1000)
        new.replace(library)
        assert processes.replaced_files(pid) == [str(library)]
        library.unlink()
        assert processes.replaced_files(pid) == [str(library)]


def test_a_binary_that_was_replaced_is_noticed_whatever_its_size_and_times(tmp_path: Path) -> None:
    binary, new = tmp_path / "nginx", tmp_path / "new"
    shutil.copy("/bin/sleep", binary)
    os.utime(binary, (0, 0))
    with subprocess.Popen(["bash", "-c", f"exec -a 'nginx: master process {binary} -g x;' {binary} 60"]) as process:
        wait_until(lambda: processes.is_master(process.pid), "it has its title")
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") == str(binary), "it runs")
        assert processes.program(process.pid) == str(binary)
        assert processes.replaced_files(process.pid) == []
        new.write_bytes(binary.read_bytes()[:-1] + b"!")
        os.utime(new, (0, 0))
        new.replace(binary)
        assert processes.replaced_files(process.pid) == [str(binary)]
        # What starts next is what counts, not the file that runs.
        binary.unlink()
        assert processes.replaced_files(process.pid) == []
        process.kill()


@pytest.mark.parametrize(
    ("title", "configuration", "expected"),
    [
        ("nginx: master process nginx -g daemon off;", "", True),
        ("nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", "user www;\n", False),
        ("nginx: master process /usr/sbin/nginx", "user www;\n daemon  off ;\n", True),
        ("nginx: master process /usr/sbin/nginx", "# daemon off by default\n", False),
    ],
)
def test_a_master_without_a_daemon_is_known_by_its_options_or_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, configuration: str, expected: bool
) -> None:
    monkeypatch.setattr(processes, "_command_line", lambda _pid: title)
    (tmp_path / "nginx.conf").write_text(configuration)
    assert processes.has_no_daemon(1, tmp_path / "nginx.conf") is expected


def test_the_processes_that_a_master_has_just_started_are_those_without_a_title_of_nginx() -> None:
    with master("worker process", "worker process is shutting down") as pid:
        assert processes.starting(pid) == set()
        with subprocess.Popen(["sleep", "60"]) as other:
            assert other.pid in processes.starting(os.getpid())
            assert pid not in processes.starting(os.getpid())
            other.kill()


def test_the_addresses_that_a_process_listens_on_are_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        found = [(_sockets.ip(address), _sockets.port(address)) for address in processes.listening(os.getpid())]
        assert found.count(server.getsockname()) == 1
    assert list(processes.listening(2**22 + 1)) == []


def test_an_exchange_is_unfinished_while_the_earlier_master_can_take_over_again(tmp_path: Path) -> None:
    build = Build("/usr/sbin/nginx", "1.26.3", None, tmp_path / "nginx.conf", tmp_path / "nginx.pid", None)
    with master("worker process is shutting down") as waiting:
        processes.oldbin(tmp_path / "nginx.pid").write_text(str(waiting))
        assert processes.waiting_master(build) == waiting
        # It only waits for its connections (QUIT).
        assert processes.earlier_master(build) is None
        with pytest.MonkeyPatch.context() as patch:
            # Its workers accept no more, and it keeps the ports for new ones (WINCH).
            patch.setattr(processes, "listening", lambda _pid: iter(["0100007F:0050"]))
            assert processes.earlier_master(build) == waiting
        (tmp_path / "nginx.pid").write_text(str(waiting))
        assert processes.waiting_master(build) is None
