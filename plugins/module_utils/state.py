# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What deploys keep on a host: the journal of the one that runs, the way back from those before, and a lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.module_utils import files

DIRECTORY = Path("/var/lib/wsfleet-nginx")
_RUN_DIRECTORY = Path("/run/wsfleet-nginx")
# How many deploys can be rolled back.
_HISTORY = 10
_LOCK_SECONDS = 120
_POLL_SECONDS = 0.1

Probes = t.List[t.Dict[str, t.Any]]
Files = t.Mapping[Path, t.Optional[files.Content]]


class Deployed(t.NamedTuple):
    """The probes of a configuration, the routes that they probed when it was deployed, and what it consists of."""

    probes: Probes
    passed: list[str]
    # Each with its digest: what nginx has loaded of them cannot be asked for.
    secrets: t.Mapping[str, str] = MappingProxyType({})
    # Those of the configuration.
    files: t.Sequence[str] = ()
    # Where it tells its fingerprint.
    live_address: str = ""

    def given_up(self, listed: t.Collection[Path]) -> list[Path]:
        """What is not listed any more."""
        return [path for path in map(Path, (*self.files, *self.secrets)) if path not in listed]


class Busy(Exception):
    """Another deploy runs on this host."""


@dataclass(frozen=True)
class Entry:
    """One deploy: the files before it, digests of those after it, and which routes were there and verified before.

    A file has several digests where the deploy took over from others that were killed.
    """

    before: dict[Path, files.Content | None]
    after: dict[Path, list[str | None]]
    time: str
    # Of the configuration before.
    probes: Probes
    # The routes that were verified before, as probes.route() tells them.
    passed: list[str]
    # Whose content is never shown.
    secrets: t.Collection[Path] = ()
    # Where the configuration before tells its fingerprint.
    live_address: str = ""

    def earlier(self, path: Path, now: files.Content | None) -> files.Content | None:
        """The file before the deploy, given the one that is there; what somebody else changed since is theirs."""
        return self.before[path] if path in self.before and digest(now) in self.after[path] else now

    def left_behind(self, listed: t.Collection[Path]) -> dict[Path, files.Content | None]:
        """What is not listed by the run that goes on: as it was before this one was killed, or gone if it was to go."""
        return {
            path: self.earlier(path, files.read(path)) if self.after[path][0] else None
            for path in self.before
            if path not in listed
        }


def digest(content: files.Content | None) -> str | None:
    return None if content is None else hashlib.sha256(content.data).hexdigest()


class State:
    """The state of one configuration of nginx among several that a host may have, by its live address."""

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
    def live_address(self) -> str:
        """Where the configuration that was deployed last tells its fingerprint."""
        return self.deployed().live_address or self._own.name

    def take_over(self, listed: t.Collection[Path]) -> None:
        """Go on with the state of the configuration that has one of these files, for its live address has changed."""
        if self._own.is_dir() or not self.directory.is_dir():
            return
        for found in sorted(path for path in self.directory.iterdir() if path.is_dir()):
            others = State(found.name, self.directory).deployed().files
            if any(Path(path) in listed for path in others):
                self._own = found
                return

    def journal(self) -> Entry | None:
        """The deploy that was begun and not ended."""
        return _entry(self._journal)

    def begin(
        self,
        earlier: Files,
        wanted: Files,
        probes: t.Sequence[dict[str, t.Any]] = (),
        passed: t.Sequence[str] = (),
        secrets: t.Collection[Path] = (),
    ) -> None:
        """From here on the way back is known: to the earlier files, and to the probes of that configuration."""
        unfinished = self.journal()
        # Files of a run that was killed may be there still where this one is killed too.
        others = unfinished.after if unfinished else {}
        after = {path: [digest(content), *others.get(path, [])] for path, content in wanted.items()}
        self._make()
        entry = Entry(dict(earlier), after, _now(), list(probes), list(passed), secrets, self.live_address)
        _write(self._journal, _plain(entry))

    def commit(self) -> None:
        """The deploy is done; from now on it can be rolled back."""
        if not self._journal.exists():
            return
        numbers = self._numbers()
        self._journal.replace(self._own / f"{numbers[-1] + 1 if numbers else 1:06}")
        for number in numbers[: -_HISTORY + 1]:
            self._past(number).unlink()

    def forget(self) -> None:
        """The deploy was rolled back."""
        with suppress(FileNotFoundError):
            self._journal.unlink()

    def last(self) -> Entry | None:
        """The last deploy that was done."""
        numbers = self._numbers()
        return _entry(self._past(numbers[-1])) if numbers else None

    def rolled_back(self) -> None:
        """The last deploy that was done is rolled back."""
        self._past(self._numbers()[-1]).unlink()

    def deployed(self) -> Deployed:
        """What is known of the configuration that was deployed last."""
        try:
            plain = json.loads(self._deployed.read_text(encoding="utf-8"))
            # Releases before 0.4.0 knew no secrets, and did not note the files.
            secrets, own = dict(plain.get("secrets", {})), tuple(plain.get("files", ()))
            found = Deployed(plain["probes"], plain["passed"], secrets, own, str(plain.get("live_address", "")))
            whole = all(key in probe for probe in found.probes for key in ("site", "path", "connect_to"))
            whole = whole and all(isinstance(path, str) for path in (*own, *secrets))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return Deployed([], [])
        return found if whole else Deployed([], [])

    def set_deployed(self, deployed: Deployed) -> None:
        if deployed != self.deployed():
            self._make()
            _write(self._deployed, {**deployed._asdict(), "secrets": dict(deployed.secrets)})

    def original(self, path: Path) -> files.Content | None:
        """A file as it was before the first deploy, if it was kept."""
        return files.read(self.directory / path.name)

    def keep_original(self, path: Path, content: files.Content) -> None:
        if self.original(path) is None:
            self._make()
            files.write(self.directory / path.name, content)

    def remove(self, *, originals: bool) -> None:
        """Nothing is deployed any more; what another configuration of this host needs stays, and originals if told."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._own)
        with suppress(FileNotFoundError):
            left = list(self.directory.iterdir())
            if not left or (originals and not any(entry.is_dir() for entry in left)):
                shutil.rmtree(self.directory)

    def _make(self) -> None:
        # Secrets may be in there: each directory is root's alone from the start.
        for directory in (self.directory, self._own):
            files.make_directory(directory, 0o700)
        if self._own != self._wanted:
            self._own = self._own.replace(self._wanted)
            files.sync(self.directory)

    def _numbers(self) -> list[int]:
        if not self._own.is_dir():
            return []
        return sorted(int(path.name) for path in self._own.iterdir() if path.name.isdigit())

    def _past(self, number: int) -> Path:
        return self._own / f"{number:06}"


@contextmanager
def locked(directory: Path = _RUN_DIRECTORY) -> t.Iterator[Path]:
    """Wait until no other deploy runs on this host; a directory for what need not outlive this one."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / "lock").open("w") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"another deploy has run on this host for {_LOCK_SECONDS} seconds; nothing was changed"
                    ) from error
                time.sleep(_POLL_SECONDS)
        # A deploy that was killed had no chance to do so.
        for left in directory.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
        yield directory


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


def _write(path: Path, value: object) -> None:
    """It may hold headers with tokens, so nobody but root reads it."""
    owner = (os.geteuid(), os.getegid())
    files.write(path, files.Content(json.dumps(value, indent=1).encode(), 0o600, owner))


def _plain(entry: Entry) -> dict[str, t.Any]:
    return {
        "time": entry.time,
        "files": [
            {
                "path": str(path),
                "before": _plain_content(before),
                "after": entry.after[path],
                "secret": path in entry.secrets,
            }
            for path, before in entry.before.items()
        ],
        "probes": entry.probes,
        "passed": entry.passed,
        "live_address": entry.live_address,
    }


def _plain_content(content: files.Content | None) -> dict[str, t.Any] | None:
    if content is None:
        return None
    text = content.data.decode("utf-8", "surrogateescape")
    return {"data": text, "mode": f"{content.mode:04o}", "owner": list(content.owner)}


def _entry(path: Path) -> Entry | None:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Entry(
            before={Path(file["path"]): _content(file["before"]) for file in plain["files"]},
            after={Path(file["path"]): file["after"] for file in plain["files"]},
            time=plain["time"],
            probes=plain["probes"],
            passed=plain["passed"],
            secrets=[Path(file["path"]) for file in plain["files"] if file.get("secret")],
            live_address=str(plain.get("live_address", "")),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # There is none, or none that could lead back.
        return None


def _content(plain: dict[str, t.Any] | None) -> files.Content | None:
    if plain is None:
        return None
    user, group = plain["owner"]
    return files.Content(plain["data"].encode("utf-8", "surrogateescape"), int(plain["mode"], 8), (user, group))
