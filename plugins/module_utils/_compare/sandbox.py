# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces of Linux in which nginx runs as if it had the host for itself, and the files that it sees there.

All is done by system calls: neither unshare nor ip have to be installed. What a process does here ends with it, and
what it writes is in memory: the host's own files are there to be read only.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import stat
import struct
import typing as t
from pathlib import Path

# linux/sched.h
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_SPACES = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
# linux/mount.h
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_DETACH = 2
# What a mount in a user namespace must keep.
_KEPT = {
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "relatime": 0x200000,
}
_TIME = 1_700_000_000
_NAMESPACES = "create namespaces, which takes root, or a kernel that lets users have their own"
_PDEATHSIG, _SIGKILL = 1, 9
# Where the host's files are found while those of the sandbox are put together.
_OUTSIDE = Path("/.outside")
# nginx needs no more of them.
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
# linux/if.h and linux/sockios.h
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
# linux/rtnetlink.h: a new route of the type local, in the table local, at this interface.
_NEWROUTE, _REQUEST = 24, 0x1 | 0x4 | 0x400
_TABLE_LOCAL, _STATIC, _SCOPE_HOST, _TYPE_LOCAL, _OIF = 255, 4, 254, 2, 4


class SandboxError(Exception):
    """The kernel does not let the process have namespaces of its own."""


def _libc() -> t.Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, step: str) -> None:
    if result != 0:
        raise SandboxError(f"cannot {step}: {os.strerror(ctypes.get_errno())}")


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, however that happens."""
    _checked(_libc().prctl(_PDEATHSIG, _SIGKILL, 0, 0, 0), "set a signal for the end of the parent")


def enter() -> None:
    """Give this process and those it starts namespaces of their own; the next process is the first one in them."""
    user, group = os.geteuid(), os.getegid()
    if user == 0 and _libc().unshare(_SPACES) == 0:
        return
    _checked(_libc().unshare(_SPACES | _NEWUSER), _NAMESPACES)
    try:
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise SandboxError(f"cannot {_NAMESPACES}: {error.strerror}") from error


def connect_all_addresses() -> None:
    """Have every address be one of this host, and reachable over its loopback interface alone."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack("16sh22x", b"lo", 0)
            flags = struct.unpack("16sh22x", fcntl.ioctl(sock, _GET_FLAGS, request))[1]
            fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh22x", b"lo", flags | _UP))
    except PermissionError as error:
        # AppArmor lets others than root create a user namespace, and do nothing there.
        raise SandboxError(f"cannot {_NAMESPACES}: {error.strerror}") from error
    for family in (socket.AF_INET, socket.AF_INET6):
        _add_local_route(family)
    # A route is enough for a bind to an address of IPv4.
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
    # As for ports below 1024.
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


def _add_local_route(family: int) -> None:
    route = struct.pack("=8BI", family, 0, 0, 0, _TABLE_LOCAL, _STATIC, _SCOPE_HOST, _TYPE_LOCAL, 0)
    interface = struct.pack("=HHI", 8, _OIF, socket.if_nametoindex("lo"))
    message = struct.pack("=IHHII", 16 + len(route) + len(interface), _NEWROUTE, _REQUEST, 1, 0) + route + interface
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(message)
        error = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    # A kernel without IPv6 has nothing to reach over it.
    if error and family == socket.AF_INET:
        raise SandboxError(f"cannot add a route: {os.strerror(-error)}")


class Files:
    """The root directory of the sandbox: what the host has, bound read-only, and files of its own in memory."""

    def __init__(self, directory: Path) -> None:
        """Change the root of this process to one that is put together in this directory."""
        self._own: set[Path] = {Path("/")}
        _mount(None, Path("/"), _REC | _PRIVATE)
        _mount("tmpfs", directory, 0, "tmpfs")
        outside = directory / _OUTSIDE.name
        outside.mkdir()
        _mount("/", outside, _BIND | _REC)
        os.chroot(directory)
        os.chdir("/")
        for entry in sorted(_OUTSIDE.iterdir()):
            if entry.name not in ("dev", "proc", "sys", _OUTSIDE.name):
                self._bind(Path("/", entry.name))
        self._devices()
        Path("/proc").mkdir()
        try:
            _mount("proc", Path("/proc"), 0, "proc")
        except SandboxError:
            # In a container that hides parts of it.
            _mount(str(_OUTSIDE / "proc"), Path("/proc"), _BIND | _REC)

    def _devices(self) -> None:
        Path("/dev/shm").mkdir(parents=True)
        for name in _DEVICES:
            if (_OUTSIDE / "dev" / name).exists():
                self._bind(Path("/dev", name))
        for name, target in _LINKS.items():
            Path("/dev", name).symlink_to(target)
        self._own |= {Path("/dev"), Path("/dev/shm")}

    def _bind(self, path: Path, source: Path | None = None) -> None:
        """Show a file or directory of the host at a path whose directory is in memory."""
        source = source or _outside(path)
        if source.is_symlink():
            path.symlink_to(os.readlink(source))
            return
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode):
            path.mkdir()
        elif stat.S_ISREG(mode) or stat.S_ISCHR(mode):
            path.touch()
        else:
            # Nothing of the host is to be reached by its sockets and pipes.
            return
        _mount(str(source), path, _BIND | _REC)

    def own_directory(self, path: Path) -> Path:
        """Have this directory be in memory, with the entries of the host's; return it without symbolic links."""
        path = Path(os.path.realpath(path))
        if path in self._own:
            return path
        self.own_directory(path.parent)
        self._own.add(path)
        if not path.is_dir():
            path.mkdir()
            return path
        if not os.path.ismount(path):
            return path
        _unmount(path)
        for entry in sorted(_outside(path).iterdir()):
            try:
                self._bind(path / entry.name)
            except (OSError, SandboxError):
                # The temporary file of another program may be gone by now.
                if os.path.lexists(entry):
                    raise
        return path

    def removed(self, path: Path) -> Path:
        """Have nothing at this path, in a directory that is in memory."""
        directory = self.own_directory(path.parent)
        path = directory / path.name
        if os.path.ismount(path):
            _unmount(path)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        self._own -= {one for one in self._own if one == path or path in one.parents}
        return path

    def empty_directory(self, path: Path) -> None:
        path = self.removed(Path(os.path.realpath(path)))
        path.mkdir()
        self._own.add(path)

    def written(self, path: Path, content: str) -> None:
        path = self.removed(path)
        path.write_text(content, encoding="utf-8", errors="surrogateescape")
        # For nginx tells the time of a file, in Last-Modified and ETag.
        os.utime(path, (_TIME, _TIME))

    def shown(self, path: Path, source: Path) -> None:
        """Show what the host has at source."""
        self._bind(self.removed(path), _outside(source))

    def finish(self) -> None:
        """Nothing of the host can be written from now on, and what is not shown is not to be found."""
        _unmount(_OUTSIDE)
        for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).splitlines():
            before, _dash, after = line.partition(" - ")
            fields = before.split(" ")
            path, options, kind = _unescaped(fields[4]), fields[5].split(","), after.split(" ")[0]
            if path == "/" or path.startswith(("/proc", "/dev/")) or "ro" in options or kind == "proc":
                continue
            flags = _BIND | _REMOUNT | _RDONLY
            for option in options:
                flags |= _KEPT.get(option, 0)
            if os.path.lexists(path):
                try:
                    _mount(None, Path(path), flags)
                except SandboxError:
                    # What cannot be read-only is not there.
                    _unmount(Path(path))


def _outside(path: Path) -> Path:
    """Where the host has this path."""
    return _OUTSIDE / path.relative_to("/")


def _unescaped(path: str) -> str:
    # proc(5): spaces and the like are in octal.
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _mount(source: str | None, target: Path, flags: int, kind: str | None = None) -> None:
    result = _libc().mount(
        os.fsencode(source) if source else None, os.fsencode(target), os.fsencode(kind) if kind else None, flags, None
    )
    _checked(result, f"mount {target}")


def _unmount(path: Path) -> None:
    _checked(_libc().umount2(os.fsencode(path), _DETACH), f"unmount {path}")
