# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state on a host: the journal of a running deploy, the history of earlier ones, and what is deployed."""

from __future__ import annotations

import hashlib
import json
import operator
import os
import shutil
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.package import Binary
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Change, Content

DIRECTORY = Path("/var/lib/wsfleet-nginx")
# How many deploys can be rolled back.
_HISTORY = 10
# The name of the probes on the disk, as releases have written it since 0.3.0.
_PROBES = "proofs"

Probes = t.List[t.Dict[str, t.Any]]
# The drained servers, each with its name and address.
Drained = t.List[t.Dict[str, str]]
# By the names of the options nginx_conf and drop_in; None for what is not managed.
Wants = t.Mapping[str, t.Any]


class Damaged(Exception):
    """A file of the state does not contain what was written; the message names it."""


class Deployed(t.NamedTuple):
    """The probes of a configuration, the routes that passed theirs when it was deployed, and what it consists of."""

    probes: Probes
    passed: list[str]
    # Each with its digest, as nginx does not show which certificates it has loaded.
    secrets: t.Mapping[str, str] = MappingProxyType({})
    # The files of the configuration.
    files: t.Sequence[str] = ()
    # Where it returns its fingerprint.
    live_address: str = ""
    # None if it was deployed by a release that did not record them.
    drained: Drained | None = None
    # The Unix sockets that it listens on.
    sockets: t.Sequence[str] = ()
    # The files of others that nginx has loaded, such as certificates named by path, each with its digest.
    loaded: t.Mapping[str, str] = MappingProxyType({})
    # What it needs of the files that belong to all configurations of the host: see wanted_by_others().
    wants: Wants | None = None
    # Each of its sites, as an address with a name: nginx serves it for one configuration of the host alone.
    serves: t.Sequence[str] = ()
    # Its files as the deploy left them, but for secrets.
    left: t.Mapping[str, Content | None] = MappingProxyType({})
    # The running binary, as nothing else tells later which package it was of.
    binary: Binary | None = None

    def given_up(self, listed: t.Collection[Path]) -> list[Path]:
        """The files that are no longer listed."""
        still = set(listed)
        return [path for path in map(Path, (*self.files, *self.secrets)) if path not in still]


class Shared(t.NamedTuple):
    """What a deploy left in the files that belong to all configurations of a host."""

    # The values of nginx.conf that deploys set, by their directives.
    nginx_conf: t.Mapping[str, str] = MappingProxyType({})
    drop_in: Content | None = None
    # Of the other files of this role that nginx does not read.
    digests: t.Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True)
class FileEntry:
    """One file of a deploy."""

    path: Path
    before: Content | None
    # Digests: that of the goal, then those of the goals of killed deploys that this one continues.
    after: t.Sequence[str | None]
    is_secret: bool = False
    # Another site's, whose place the configuration took.
    is_replaced: bool = False

    def earlier(self, now: Content | None) -> Content | None:
        """The file before the deploy, given the current one. If somebody else has changed it since, the current one."""
        return self.before if digest(now) in self.after else now

    @property
    def is_to_go(self) -> bool:
        return self.after[0] is None


@dataclass(frozen=True)
class Entry:
    """One deploy: its files, in the order in which they change, and the routes before it."""

    files: t.Sequence[FileEntry]
    time: str
    # Those of the configuration before.
    probes: Probes
    # The routes that passed before, as named by route().
    passed: list[str]
    # Where the configuration before returns its fingerprint, and what else is recorded of it.
    live_address: str = ""
    drained: Drained | None = None
    sockets: t.Sequence[str] = ()
    wants: Wants | None = None

    def file(self, path: Path) -> FileEntry | None:
        return next((file for file in self.files if file.path == path), None)

    @property
    def secrets(self) -> set[Path]:
        """The files whose content is never shown."""
        return {file.path for file in self.files if file.is_secret}

    def left_behind(self, listed: t.Collection[Path]) -> dict[Path, Content | None]:
        """The files that the next run does not list: as before this deploy, or gone if it was to remove them."""
        still = set(listed)
        return {
            file.path: None if file.is_to_go and not file.is_replaced else file.earlier(atomic_files.read(file.path))
            for file in self.files
            if file.path not in still
        }


def digest(content: Content | None) -> str | None:
    return None if content is None else hashlib.sha256(content.data).hexdigest()


class Journal:
    """The state of one configuration, named by its live address; a host may have several."""

    def __init__(self, name: str, directory: Path = DIRECTORY) -> None:
        self.directory = directory
        self._wanted = self._own = directory / name

    @property
    def _journal(self) -> Path:
        return self._own / "journal"

    @property
    def _deployed(self) -> Path:
        return self._own / "deployed"

    @property
    def _shared(self) -> Path:
        return self.directory / "shared"

    @property
    def live_address(self) -> str:
        """Where the configuration that was deployed last returns its fingerprint."""
        return self.deployed().live_address or self._own.name

    def take_over(self, listed: t.Collection[Path], serves: t.Collection[str] = ()) -> None:
        """If there is no state for this live address, use that of the configuration with one of these files, as its
        address has changed; or else of the one that serves one of these sites, as its file has changed too.
        """
        if not self.directory.is_dir() or (self._own.is_dir() and any(self._own.iterdir())):
            return
        paths, names = set(map(str, listed)), sorted(path.name for path in self.directory.iterdir() if path.is_dir())
        records = {name: Journal(name, self.directory).deployed() for name in names}
        with_file = [name for name, record in records.items() if paths & set(record.files)]
        with_site = [name for name, record in records.items() if set(serves) & set(record.serves)]
        if with_file or len(with_site) == 1:
            self._own = self.directory / (with_file or with_site)[0]

    def unfinished(self) -> Entry | None:
        """The deploy that was begun and not completed. Damaged, as without it there is no way back from that deploy."""
        return _read(self._journal, _entry)

    def begin(
        self,
        changes: t.Sequence[Change],
        probes: t.Sequence[dict[str, t.Any]] = (),
        passed: t.Sequence[str] = (),
        secrets: t.Collection[Path] = (),
        replaced: t.Collection[Path] = (),
    ) -> None:
        """Record what a rollback needs: the earlier files, and the probes of that configuration."""
        unfinished = self.unfinished()
        # If this run is killed too, files of an earlier one that was killed may still be there.
        others = {file.path: file.after for file in unfinished.files} if unfinished else {}
        files = [
            FileEntry(
                path=change.path,
                before=change.before,
                after=[digest(change.after), *others.get(change.path, ())],
                is_secret=change.path in secrets,
                is_replaced=change.path in replaced,
            )
            for change in changes
        ]
        self._make()
        before = self.deployed()
        recorded = self.live_address, before.drained, before.sockets, before.wants
        _write(self._journal, _plain(Entry(files, _now(), list(probes), list(passed), *recorded)))

    def commit(self) -> None:
        """Move the deploy to the history, from where it can be rolled back."""
        if not self._journal.exists():
            return
        numbers = self._numbers()
        self._journal.replace(self._past(numbers[-1] + 1 if numbers else 1))
        for number in numbers[: -_HISTORY + 1]:
            _remove(self._past(number))

    def discard(self) -> None:
        """Forget the unfinished deploy."""
        # A read-only file system refuses to remove even what is not there.
        if self._journal.exists():
            self._journal.unlink()

    def last(self) -> Entry | None:
        """The last completed deploy whose record is not damaged."""
        return next((entry for _path, entry in self._history() if isinstance(entry, Entry)), None)

    def discard_last(self) -> None:
        """Forget the last completed deploy, which was rolled back, and what is damaged after it."""
        for path, entry in self._history():
            _remove(path)
            if isinstance(entry, Entry):
                return

    def deployed(self) -> Deployed:
        """What is known of the configuration that was deployed last; nothing if the record is damaged."""
        found = _readable(self._deployed, _recorded)
        return found if isinstance(found, Deployed) else Deployed([], [])

    def damaged_record(self) -> Damaged | None:
        """Why deployed() knows nothing, if its record is damaged."""
        found = _readable(self._deployed, _recorded)
        return found if isinstance(found, Damaged) else None

    def damaged_history(self) -> t.Iterator[Damaged]:
        """The damaged records of deploys after that of last()."""
        for _path, entry in self._history():
            if isinstance(entry, Entry):
                return
            if entry:
                yield entry

    def set_deployed(self, deployed: Deployed) -> None:
        if deployed != self.deployed():
            self._make()
            plain = deployed._asdict()
            plain[_PROBES] = plain.pop("probes")
            plain["left"] = {path: _plain_content(file) for path, file in deployed.left.items()}
            if self._deployed.is_dir():
                _remove(self._deployed)
            _write(self._deployed, {**plain, "secrets": dict(deployed.secrets), "loaded": dict(deployed.loaded)})

    def shared(self) -> Shared:
        """How the last deploy of any configuration left the files that belong to all."""
        found = _readable(self._shared, _left_shared)
        return found if isinstance(found, Shared) else Shared()

    def set_shared(self, shared: Shared) -> None:
        if shared != self.shared():
            if self._shared.is_dir():
                _remove(self._shared)
            plain = {"nginx_conf": dict(shared.nginx_conf), "drop_in": _plain_content(shared.drop_in)}
            _write(self._shared, {**plain, "digests": dict(shared.digests)})

    def others(self) -> list[Deployed]:
        """The other configurations on this host, unless their files were removed by hand."""
        return [kept.deployed() for kept in all_on_host(self.directory) if kept._own != self._own]

    def all_unfinished(self) -> list[Entry]:
        """The deploys of all configurations on this host that were begun and not completed."""
        directories = [path for path in self.directory.iterdir() if path.is_dir()] if self.directory.is_dir() else []
        found = [_readable(path / "journal", _entry) for path in directories]
        return [entry for entry in found if isinstance(entry, Entry)]

    def wanted_by_others(self, name: str) -> list[Wants] | None:
        """What the other configurations need of a file that belongs to all; None if one has not recorded it, as
        releases before 0.8.0 did not.
        """
        wants = [deployed.wants for deployed in self.others()]
        return None if None in wants else [found[name] for found in wants if found and found[name]]

    def original(self, path: Path) -> Content | None:
        """A file as it was before the first deploy, if it was kept."""
        return atomic_files.read(self.directory / path.name)

    def keep_original(self, path: Path, content: Content) -> None:
        if self.original(path) is None:
            self._make()
            atomic_files.write(self.directory / path.name, content)

    def keep_replaced(self, path: Path, content: Content) -> None:
        """A copy of another site's file, which outlives this configuration and its state."""
        copy = self.directory / "replaced" / path.relative_to("/")
        self._make()
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_files.write(copy, Content(content.data, 0o600, (os.geteuid(), os.getegid())))

    def remove(self, *, originals: bool) -> None:
        """Remove the state of this configuration and, with originals, those if no other configuration needs them."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._own)
        with suppress(FileNotFoundError):
            is_alone, are_needed = not self.others(), not originals or self.wanted_by_others("nginx_conf") != []
            for path in [path for path in self.directory.iterdir() if not path.is_dir()]:
                if is_alone if path == self._shared else not are_needed:
                    path.unlink()
            if not any(self.directory.iterdir()):
                self.directory.rmdir()

    def _make(self) -> None:
        # May contain secrets, so only root can read each directory from the start.
        for directory in (self.directory, self._own):
            atomic_files.make_directory(directory, 0o700)
        if self._own != self._wanted:
            self._own = self._own.replace(self._wanted)
            atomic_files.sync(self.directory)

    def _numbers(self) -> list[int]:
        if not self._own.is_dir():
            return []
        return sorted(int(path.name) for path in self._own.iterdir() if path.name.isdigit())

    def _history(self) -> t.Iterator[tuple[Path, Entry | Damaged | None]]:
        """The completed deploys, the last one first."""
        for number in reversed(self._numbers()):
            yield self._past(number), _readable(self._past(number), _entry)

    def _past(self, number: int) -> Path:
        return self._own / f"{number:06}"


def all_on_host(directory: Path | None = None) -> list[Journal]:
    """Those of the configurations on this host, unless their files were removed by hand."""
    directory = directory or DIRECTORY
    names = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    found = [Journal(name, directory) for name in names]
    return [kept for kept in found if any(Path(path).exists() for path in kept.deployed().files)]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


def _write(path: Path, value: object) -> None:
    """Only root can read it, since it may contain headers with tokens."""
    owner = (os.geteuid(), os.getegid())
    atomic_files.write(path, Content(json.dumps(value, indent=1).encode(), 0o600, owner))


def _plain(entry: Entry) -> dict[str, t.Any]:
    return {
        "time": entry.time,
        "files": [
            {
                "path": str(file.path),
                "before": _plain_content(file.before),
                "after": list(file.after),
                "secret": file.is_secret,
                "replaced": file.is_replaced,
            }
            for file in entry.files
        ],
        _PROBES: entry.probes,
        "passed": entry.passed,
        "live_address": entry.live_address,
        "drained": entry.drained,
        "sockets": list(entry.sockets),
        "wants": entry.wants,
    }


def _plain_content(content: Content | None) -> dict[str, t.Any] | None:
    if content is None:
        return None
    text = content.data.decode("utf-8", "surrogateescape")
    plain = {"data": text, "mode": f"{content.mode:04o}", "owner": list(content.owner)}
    return {**plain, "link": content.link} if content.link else plain


_Record = t.TypeVar("_Record", bound=t.Union[Deployed, Entry, Shared])


def _read(path: Path, parse: t.Callable[[t.Any], _Record]) -> _Record | None:
    """The record in a file; None if there is no file."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError as error:
        raise Damaged(f"{path} is a directory") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it has JSON of another shape"
        raise Damaged(f"{path} is damaged: {reason}") from error


def _readable(path: Path, parse: t.Callable[[t.Any], _Record]) -> _Record | Damaged | None:
    try:
        return _read(path, parse)
    except Damaged as damaged:
        return damaged


def _recorded(plain: t.Any) -> Deployed:
    # Before 0.8.0, the sites are known from their probes.
    of_probes = [f"{probe['connect_to']} {probe['site']}" for probe in plain[_PROBES]]
    # Releases before 0.4.0 recorded neither secrets nor files.
    return Deployed(
        probes=_probes(plain[_PROBES]),
        passed=_strings(plain["passed"]),
        secrets={path: _string(found) for path, found in plain.get("secrets", {}).items()},
        files=tuple(_strings(plain.get("files", []))),
        live_address=_string(plain.get("live_address", "")),
        drained=_drained(plain.get("drained")),
        sockets=tuple(_strings(plain.get("sockets", []))),
        loaded={path: _string(found) for path, found in plain.get("loaded", {}).items()},
        wants=_wants(plain.get("wants")),
        serves=tuple(_strings(plain.get("serves", of_probes))),
        left={path: _content(file) for path, file in plain.get("left", {}).items()},
        binary=_binary(plain.get("binary")),
    )


def _entry(plain: t.Any) -> Entry:
    return Entry(
        # Releases before 0.4.0 recorded no secrets.
        files=[
            FileEntry(
                Path(_string(file["path"])),
                _content(file["before"]),
                _after(file["after"]),
                bool(file.get("secret")),
                bool(file.get("replaced")),
            )
            for file in plain["files"]
        ],
        time=_string(plain["time"]),
        probes=_probes(plain[_PROBES]),
        passed=_strings(plain["passed"]),
        live_address=_string(plain.get("live_address", "")),
        drained=_drained(plain.get("drained")),
        sockets=_strings(plain.get("sockets", [])),
        wants=_wants(plain.get("wants")),
    )


def _left_shared(plain: t.Any) -> Shared:
    return Shared(dict(plain["nginx_conf"]), _content(plain["drop_in"]), dict(plain.get("digests", {})))


def _content(plain: t.Any) -> Content | None:
    if plain is None:
        return None
    user, group = map(operator.index, plain["owner"])
    data = plain["data"].encode("utf-8", "surrogateescape")
    return Content(data, int(plain["mode"], 8), (user, group), _string(plain.get("link", "")))


def _after(value: t.Any) -> list[str | None]:
    return [None if found is None else _string(found) for found in [value[0], *value[1:]]]


def _drained(value: t.Any) -> Drained | None:
    return (
        None if value is None else [{name: _string(server[name]) for name in ("name", "address")} for server in value]
    )


def _binary(value: t.Any) -> Binary | None:
    return None if value is None else Binary(*map(_string, value))


def _wants(value: t.Any) -> Wants | None:
    return None if value is None else {name: value[name] and dict(value[name]) for name in ("nginx_conf", "drop_in")}


def _probes(value: t.Any) -> Probes:
    for probe in value:
        for name in ("site", "path", "connect_to", "url"):
            _string(probe[name])
        backends = probe.get("backends") or {"url": "", "addresses": []}
        _string(backends["url"])
        _strings(backends["addresses"])
        for headers in (probe.get("headers"), backends.get("headers"), backends.get("forwarded")):
            dict(headers or {})
        if probe["websocket"] not in (True, False, "required"):
            raise TypeError
    return list(value)


def _strings(value: t.Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return [_string(item) for item in value]


def _string(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
