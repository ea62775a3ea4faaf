# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The candidate: a copy of the configuration directory with the new files in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import candidate


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return scratch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "nginx"
    (root / "conf.d").mkdir(parents=True)
    (root / "sites-enabled").mkdir()
    (root / "sites-available").mkdir()
    (root / "nginx.conf").write_text(
        f"include mime.types;\ninclude {root}/conf.d/*.conf;include '{root}/sites-enabled/*';\n"
    )
    (root / "conf.d" / "other.conf").write_text("# other\n")
    (root / "sites-available" / "site").write_text(f"include {root}/snippets/x;\n")
    (root / "sites-enabled" / "site").symlink_to(root / "sites-available" / "site")
    (root / "sites-enabled" / "dangling").symlink_to(root / "nothing")
    (root / "key.pem").write_text("secret\n")
    return root


def test_absolute_includes_point_into_the_copy(root: Path, scratch: Path) -> None:
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "nginx.conf").read_text() == (
            f"include mime.types;\ninclude {copy}/conf.d/*.conf;include '{copy}/sites-enabled/*';\n"
        )
        assert (copy / "sites-enabled" / "site").read_text() == f"include {copy}/snippets/x;\n"


def test_the_copy_has_the_new_files_and_the_live_tree_does_not(root: Path, scratch: Path) -> None:
    new, other = root / "conf.d" / "new.conf", root / "conf.d" / "other.conf"
    with candidate.tree(root, {new: b"new\n", other: None}, scratch) as copy:
        assert (copy / "conf.d" / "new.conf").read_text() == "new\n"
        assert not (copy / "conf.d" / "other.conf").exists()
    assert not new.exists()
    assert other.read_text() == "# other\n"


def test_what_needs_no_change_is_linked_so_that_no_key_is_copied(root: Path, scratch: Path) -> None:
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "key.pem").is_symlink()
        assert (copy / "key.pem").read_text() == "secret\n"


def test_only_root_can_read_the_copy_and_it_is_gone_at_the_end(root: Path, scratch: Path) -> None:
    with candidate.tree(root, {}, scratch) as copy:
        assert copy.stat().st_mode & 0o777 == 0o700
        assert list(scratch.iterdir()) == [copy]
    assert list(scratch.iterdir()) == []


def test_the_copy_is_gone_after_an_error_too(root: Path, scratch: Path) -> None:
    with pytest.raises(KeyError), candidate.tree(root, {}, scratch):
        raise KeyError
    assert list(scratch.iterdir()) == []


def test_a_file_in_a_new_directory_is_part_of_the_copy(root: Path, scratch: Path) -> None:
    with candidate.tree(root, {root / "new" / "a.conf": b"a\n"}, scratch) as copy:
        assert (copy / "new" / "a.conf").read_text() == "a\n"
    assert not (root / "new").exists()


def test_a_dangling_link_stays_one(root: Path, scratch: Path) -> None:
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "sites-enabled" / "dangling").is_symlink()
        assert not (copy / "sites-enabled" / "dangling").exists()


def test_a_linked_directory_is_part_of_the_copy(root: Path, scratch: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.conf").write_text("a\n")
    (root / "linked").symlink_to(elsewhere)
    with candidate.tree(root, {root / "linked" / "b.conf": b"b\n"}, scratch) as copy:
        assert sorted(path.name for path in (copy / "linked").iterdir()) == ["a.conf", "b.conf"]
    assert [path.name for path in elsewhere.iterdir()] == ["a.conf"]


def linked(root: Path, name: str, **files: str) -> Path:
    """A link in the configuration directory to one elsewhere with these files."""
    elsewhere = root.parent / f"elsewhere-{name}"
    elsewhere.mkdir()
    for stem, text in files.items():
        (elsewhere / f"{stem}.conf").write_text(text)
    (root / name).symlink_to(elsewhere)
    return elsewhere


def test_a_linked_directory_that_no_include_leads_into_is_one_link(root: Path, scratch: Path) -> None:
    """Such as a website of 20,000 files: nginx -t reads none of them."""
    html = linked(root, "html", page="a\n")
    with candidate.tree(root, {root / "conf.d" / "new.conf": b"root html;\n"}, scratch) as copy:
        assert (copy / "html").readlink() == html
        assert (copy / "html" / "page.conf").read_text() == "a\n"


def test_a_directory_that_no_include_leads_into_is_one_link(root: Path, scratch: Path) -> None:
    (root / "certs").mkdir()
    (root / "certs" / "a.pem").write_text("key\n")
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "certs").is_symlink()
        assert (copy / "certs" / "a.pem").read_text() == "key\n"
    with candidate.tree(root, {root / "certs" / "a.pem": b"new\n"}, scratch) as copy:
        assert (copy / "certs" / "a.pem").read_text() == "new\n"
    assert (root / "certs" / "a.pem").read_text() == "key\n"


@pytest.mark.parametrize("include", ["linked/*.conf", "{root}/linked/a.conf", "link*/a.conf", "./link**/*.conf"])
def test_what_an_include_finds_through_a_link_reads_the_candidate(root: Path, scratch: Path, include: str) -> None:
    linked(root, "linked", a=f"include {root}/conf.d/other.conf;", b="b\n")
    (root / "nginx.conf").write_text(f"include {include.format(root=root)};")
    with candidate.tree(root, {root / "conf.d" / "other.conf": b"new\n"}, scratch) as copy:
        assert (copy / "linked" / "a.conf").read_text() == f"include {copy}/conf.d/other.conf;"
        assert (copy / "linked" / "b.conf").is_symlink()


def test_an_include_of_the_new_file_leads_through_links_one_after_the_other(root: Path, scratch: Path) -> None:
    linked(root, "first", a="include second/b.conf;")
    linked(root, "second", b=f"include {root}/conf.d/other.conf;")
    with candidate.tree(root, {root / "conf.d" / "new.conf": b"include first/*.conf;"}, scratch) as copy:
        assert (copy / "second" / "b.conf").read_text() == f"include {copy}/conf.d/other.conf;"


def test_a_directory_that_links_to_its_parent_ends(root: Path, scratch: Path) -> None:
    (root / "loop").symlink_to(root)
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "nginx.conf").exists()


def test_a_file_under_another_spelling_is_never_written_through_its_link(root: Path, scratch: Path) -> None:
    other = root / "conf.d" / "other.conf"
    same = root / "conf.d" / ".." / "conf.d" / "other.conf"
    with pytest.raises(FileExistsError), candidate.tree(root, {same: b"x"}, scratch):
        pass
    assert other.read_text() == "# other\n"


def test_a_directory_with_two_names_is_whole_under_both(root: Path, scratch: Path) -> None:
    (root / "also-enabled").symlink_to(root / "sites-enabled")
    with candidate.tree(root, {}, scratch) as copy:
        for name in ("also-enabled", "sites-enabled"):
            assert (copy / name / "site").exists()


@pytest.mark.parametrize("spelling", ["{root}//conf.d/*.conf", "{root}/../nginx/conf.d/*.conf"])
def test_an_include_in_another_spelling_points_into_the_copy(root: Path, scratch: Path, spelling: str) -> None:
    (root / "nginx.conf").write_text(f"include {spelling.format(root=root)};")
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "nginx.conf").read_text() == f"include {copy}/conf.d/*.conf;"


def test_an_include_from_elsewhere_stays(root: Path, scratch: Path) -> None:
    (root / "nginx.conf").write_text(f"include /srv{root}/x;include {root}-other/x;")
    with candidate.tree(root, {}, scratch) as copy:
        assert (copy / "nginx.conf").read_text() == f"include /srv{root}/x;include {root}-other/x;"
