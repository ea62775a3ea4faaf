# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's packages on Debian and Ubuntu, by apt and dpkg."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import package_manager
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import PackageError, Packages

POLICY = Path("/usr/sbin/policy-rc.d")
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
_POLICY_TEXT = """\
#!/bin/sh
# By the collection wsfleet.nginx while it upgrades nginx, for the processes of that upgrade alone: the scripts of the
# packages do not restart nginx, as the installed binary takes over from the running one.
if [ -n "${HELD_BACK-}" ]; then
    for word; do
        case $word in nginx | nginx.service) exit 101 ;; esac
    done
fi
[ ! -x KEPT ] || exec KEPT "$@"
"""
# The administrator's versions of files stay, as with the role's own changes of nginx.conf.
_FORCED = ("--force-confdef", "--force-confold")
_OPTIONS = ("--yes", "--quiet", "--no-remove", "--no-install-recommends", "--only-upgrade")
# Of the status of a package: what is not in one.
_OF_STATUS = ("Status", "Conffiles", "Config-Version")
_OF_CONTROL = ("preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "shlibs", "symbols")
_DIVERTED = re.compile(r"(?:locally diverted|diverted by \S+) to: (.+)")
# The state of a complete package, and how the state of one ends that has no program on the host.
_COMPLETE, _GONE = "ok installed", ("not-installed", "config-files")
_INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)


class _Package(t.NamedTuple):
    version: str
    source: str
    # Whether it has to be installed again, and how far its installation is: dpkg(1), package states and flags.
    state: str


class Apt:
    """See package_manager.Manager."""

    def installed(self) -> Packages:
        return {name: package.version for name, package in self._found().items()}

    def _found(self) -> dict[str, _Package]:
        fields = "${Package}\\t${Version}\\t${source:Package}\\t${db:Status-Eflag} ${db:Status-Status}\\n"
        found = {}
        for line in package_manager.run(["dpkg-query", "--show", f"--showformat={fields}"]).splitlines():
            name, *values = line.split("\t")
            package = _Package(*values)
            is_nginx = package.source == "nginx" or name.startswith(package_manager.MODULES)
            if is_nginx and not package.state.endswith(_GONE):
                found[name] = package
        return found

    def fetch(self, version: str | None) -> None:
        package_manager.run(["apt-get", "update", "--quiet"])
        package_manager.run([*self._command(version), "--download-only"])

    def pending(self, version: str | None) -> Packages:
        found, printed = self._found(), package_manager.run([*self._command(version), "--simulate"])
        return {name: new for name, new in _INSTALLED.findall(printed) if name in found}

    def upgrade(self, version: str | None) -> None:
        package_manager.run(self._command(version))

    def _command(self, version: str | None) -> list[str]:
        wanted = [
            f"{name}={version}" if version and package.source == "nginx" else name
            for name, package in self._found().items()
        ]
        forced = [f"--option=Dpkg::Options::={option}" for option in _FORCED]
        return ["apt-get", "install", *_OPTIONS, *(["--allow-downgrades"] if version else []), *forced, *wanted]

    def complete(self) -> None:
        package_manager.run(["dpkg", "--configure", *_FORCED, "--pending"])
        # One that was killed while it was unpacked cannot be configured, and apt takes it for installed.
        incomplete = [name for name, package in self._found().items() if package.state != _COMPLETE]
        if incomplete:
            raise PackageError(f"dpkg cannot complete {', '.join(incomplete)}: see `dpkg --audit`")

    def keep(self, directory: Path) -> None:
        for name in self.installed():
            _repack(name, directory)

    def restore(self, packages: Packages, directory: Path) -> None:
        files = [str(directory / f"{name}.deb") for name in packages]
        package_manager.run(["dpkg", "--install", "--force-downgrade", *_FORCED, *files])

    @contextlib.contextmanager
    def hold_back(self) -> t.Iterator[None]:
        kept = POLICY.with_name(f"{POLICY.name}.wsfleet-kept")
        text = _POLICY_TEXT.replace("HELD_BACK", package_manager.HELD_BACK).replace("KEPT", str(kept))
        # A run that was killed has left it.
        if not POLICY.exists() or POLICY.read_text(encoding="utf-8", errors="replace") != text:
            new = POLICY.with_name(f"{POLICY.name}.wsfleet-new")
            new.write_text(text, encoding="utf-8")
            new.chmod(0o755)
            with contextlib.suppress(FileNotFoundError):
                kept.unlink()
            if POLICY.exists():
                os.link(POLICY, kept)
            new.replace(POLICY)
        try:
            yield
        finally:
            if kept.exists():
                kept.replace(POLICY)
            else:
                POLICY.unlink()


def _repack(name: str, directory: Path) -> None:
    """Make a package of its installed files, as dpkg-repack does: an archive may not have its version any more.

    A file of the configuration that the administrator has changed is not part of it, and stays as it is: otherwise dpkg
    would take the changed file for the one of the package, and replace it in a later upgrade.
    """
    tree, control = directory / name, directory / name / "DEBIAN"
    control.mkdir(parents=True)
    control.chmod(0o755)
    tree.chmod(0o755)
    changed = set(_conffiles(name, unchanged=False))
    paths = [path for path in _files(name).items() if path[0] not in changed]
    parents = {str(parent) for path, _source in paths for parent in Path(path).parents}
    for path, source in paths:
        _copy(Path(source), tree / path.lstrip("/"), is_directory=path in parents)
    status = package_manager.run(["dpkg-query", "--status", name])
    (control / "control").write_text(_without(status, _OF_STATUS), encoding="utf-8")
    conffiles = _conffiles(name, unchanged=True)
    (control / "conffiles").write_text("".join(f"{path}\n" for path in conffiles), encoding="utf-8")
    for file in map(Path, package_manager.run(["dpkg-query", "--control-path", name]).split()):
        script = file.suffix[1:]
        if script in _OF_CONTROL:
            shutil.copy2(file, control / script)
    package_manager.run(["dpkg-deb", "--build", "-Znone", str(tree), str(directory / f"{name}.deb")])
    shutil.rmtree(tree)


def _files(name: str) -> dict[str, str]:
    """The files of a package, each with the path where it is on the disk."""
    found: dict[str, str] = {}
    last = ""
    for line in package_manager.run(["dpkg-query", "--listfiles", name]).splitlines():
        diverted = _DIVERTED.fullmatch(line)
        if diverted:
            found[last] = diverted.group(1)
        elif line.startswith("/") and line != "/.":
            found[line] = last = line
    return found


def _conffiles(name: str, *, unchanged: bool) -> list[str]:
    """Those of a package whose content is that of the package, or those that were changed or removed."""
    found = []
    for line in package_manager.run(["dpkg-query", "--show", "--showformat=${Conffiles}\\n", name]).splitlines():
        path, _space, rest = line.strip().rpartition(" ")
        if rest == "obsolete":
            path, _space, rest = path.rpartition(" ")
        if path and (_md5(Path(path)) == rest) == unchanged:
            found.append(path)
    return found


def _md5(path: Path) -> str | None:
    """The digest that dpkg keeps; it protects nothing."""
    try:
        return hashlib.md5(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _copy(source: Path, target: Path, *, is_directory: bool) -> None:
    """With its owner and mode. What is not there, such as documentation that dpkg leaves out, stays out."""
    try:
        # With /usr merged, /lib is a link to a directory.
        found = source.stat() if is_directory else source.lstat()
    except FileNotFoundError:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(exist_ok=True)
        target.chmod(stat.S_IMODE(found.st_mode))
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)


def _without(status: str, names: t.Collection[str]) -> str:
    """The fields of a package without some; further lines of a field begin with a space."""
    fields = re.findall(r"^(\S+?):(.*\n(?:[ \t].*\n)*)", status, re.MULTILINE)
    return "".join(f"{name}:{value}" for name, value in fields if name not in names)
