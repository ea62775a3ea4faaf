# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders of changes, against a stand-in for nginx that takes configurations whose every name leads somewhere."""

from __future__ import annotations

import itertools
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import apply_order, atomic_files

ROOT = Path("/etc/nginx/conf.d")
SITE, UPSTREAM, OLD, OLD_UPSTREAM = (
    ROOT / name for name in ("a-site.conf", "b-upstream.conf", "c-old.conf", "d-old-upstream.conf")
)
ONE, TWO, GONE = (ROOT / name for name in ("one.pem", "two.pem", "gone.pem"))
CERTIFICATE, KEY = "-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n"

# The text of each file: "name X" defines X, once, "needs X" uses it, "needs /path" a file; a key has its certificate's
# number.
Texts = t.Mapping[Path, t.Optional[str]]


def content(text: str | None) -> atomic_files.Content | None:
    return None if text is None else atomic_files.Content(text.encode(), 0o600)


class Nginx:
    def __init__(self, before: Texts) -> None:
        self.files = {path: text for path, text in before.items() if text is not None}
        self.tests = 0

    def accepts(self, _step: apply_order.Step, now: t.Mapping[Path, atomic_files.Content | None]) -> bool:
        self.tests += 1
        after = {**self.files, **{path: given.data.decode() if given else None for path, given in now.items()}}
        return is_accepted({path: text for path, text in after.items() if text is not None})


def is_accepted(texts: t.Mapping[Path, str]) -> bool:
    words = [text.split() for path, text in texts.items() if path.suffix == ".conf"]
    pairs = [pair for found in words for pair in zip(found[::2], found[1::2])]
    names = [name for what, name in pairs if what == "name"]
    needs = [name for what, name in pairs if what == "needs"]
    found = all(Path(name) in texts if name.startswith("/") else name in names for name in needs)
    # The number behind a certificate is that of its key, which may be in another file.
    numbers = {text.split()[-1] for path, text in texts.items() if path.stem == "pair"}
    return found and len(set(names)) == len(names) and len(numbers) < 2


def ordered(before: Texts, after: Texts) -> tuple[list[Path] | None, int]:
    """The order that is found and how many tests that took; nginx takes every prefix of it."""
    changes = [
        atomic_files.Change(path, content(before.get(path)), content(before.get(path)), content(text))
        for path, text in after.items()
        if before.get(path) != text
    ]
    nginx = Nginx(before)
    secrets = [path for path in after if path.suffix != ".conf"]
    found = apply_order.ordered(changes, secrets, nginx.accepts)
    if found is None:
        return None, nginx.tests
    assert sorted(found, key=str) == sorted(changes, key=str)
    for number in range(len(found) + 1):
        now: dict[Path, str | None] = {**before, **{change.path: after[change.path] for change in found[:number]}}
        assert is_accepted({path: text for path, text in now.items() if text is not None}), found[:number]
    return [change.path for change in found], nginx.tests


def whole(number: int) -> str:
    return f"{CERTIFICATE}{KEY}{number}"


def test_a_secret_comes_before_the_configuration_that_names_it() -> None:
    assert ordered({SITE: ""}, {SITE: f"needs {ONE}", ONE: whole(1)})[0] == [ONE, SITE]


def test_a_secret_goes_after_the_configuration_that_named_it() -> None:
    assert ordered({SITE: f"needs {ONE}", ONE: whole(1)}, {ONE: None, SITE: ""})[0] == [SITE, ONE]


def test_a_secret_moves_with_its_name() -> None:
    before = {SITE: f"needs {ONE}", ONE: whole(1)}
    assert ordered(before, {ONE: None, TWO: whole(1), SITE: f"needs {TWO}"})[0] == [TWO, SITE, ONE]


def test_a_file_that_moves_is_removed_before_it_comes_again() -> None:
    assert ordered({OLD: "name a"}, {SITE: "name a", OLD: None})[0] == [OLD, SITE]


def test_a_file_that_others_need_cannot_move() -> None:
    assert ordered({OLD: "name a", SITE: "needs a"}, {UPSTREAM: "name a", OLD: None})[0] is None


def test_an_order_is_found_whatever_that_of_the_list() -> None:
    before = {OLD: f"needs old needs {GONE}", OLD_UPSTREAM: "name old", GONE: whole(1)}
    after = {
        SITE: f"needs new needs {ONE}",
        UPSTREAM: "name new",
        OLD: None,
        OLD_UPSTREAM: None,
        ONE: whole(2),
        GONE: None,
    }
    for listed in itertools.permutations(after):
        assert ordered(before, {path: after[path] for path in listed})[0] is not None


def test_a_hundred_secrets_cost_few_tests() -> None:
    paths = [ROOT / f"{number}.pem" for number in range(100)]
    needs = " ".join(f"needs {path}" for path in paths)
    for before, after in ((None, whole(1)), (whole(1), whole(2)), (whole(1), None)):
        texts = {SITE: "" if before is None else needs, **dict.fromkeys(paths, before)}
        wanted = {SITE: "" if after is None else needs, **dict.fromkeys(paths, after)}
        assert ordered(texts, wanted)[1] <= 3


def test_a_key_apart_from_its_certificate_cannot_be_renewed_as_no_moment_has_both() -> None:
    """nginx would find a key that is not its certificate's in between."""
    certificate, key = ROOT / "x" / "pair.pem", ROOT / "y" / "pair.pem"
    before, after = ({certificate: f"{CERTIFICATE}{n}", key: f"{KEY}{n}"} for n in (1, 2))
    assert ordered(before, after)[0] is None


def test_one_change_needs_no_test() -> None:
    assert ordered({}, {SITE: "name a"}) == ([SITE], 0)
    assert ordered({}, {}) == ([], 0)
