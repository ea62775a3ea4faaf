# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directives of the main and events contexts in an nginx.conf that someone else wrote."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import nginx_conf
from hypothesis import given
from hypothesis import strategies as st
from parsing import Directive, parse

ALL = {
    "worker_processes": "4",
    "worker_rlimit_nofile": "65536",
    "worker_shutdown_timeout": "60s",
    "worker_connections": "16384",
}
NONE = dict.fromkeys(nginx_conf.DIRECTIVES)

DEBIAN = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {

\t##
\t# Basic Settings
\t##

\tsendfile on;
\ttcp_nopush on;
\ttypes_hash_max_size 2048;
\t# server_tokens off;

\tinclude /etc/nginx/mime.types;
\tdefault_type application/octet-stream;

\tinclude /etc/nginx/conf.d/*.conf;
\tinclude /etc/nginx/sites-enabled/*;
}


#mail {
#\t# See sample authentication script at:
#\t# http://wiki.nginx.org/ImapAuthenticateWithApachePhpScript
#
#\tserver {
#\t\tlisten     localhost:110;
#\t}
#}
"""
NGINX_ORG = """
user  nginx;
worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;


events {
    worker_connections  1024;
}


http {
    include       /etc/nginx/mime.types;
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';
    #gzip  on;

    include /etc/nginx/conf.d/*.conf;
}
"""

# What may follow a directive, and what may be between its words: with what looks like directives, but is none.
AFTER = st.sampled_from(
    ["\n", "\n", "\n\n", " ", "", " \t\n", " # worker_processes 7; {\n", "#it's }\n", "\n# worker_connections 7;\n"]
)
BEFORE = st.sampled_from(["", "", " ", "    ", "\t", "  # events {\n  "])
GAPS = st.sampled_from([" ", "  ", "\t", "\n    ", " # 'why\n "])
WORDS = st.sampled_from(
    [
        "on",
        "/x/*.log",
        "a#b",
        "a'b",
        "${x}y",
        "$x",
        r"a\;b",
        '"a b"',
        "'worker_processes 3;'",
        r"'it\'s {'",
        '"a\n  b;"',
    ]
)
SETTINGS = st.sampled_from(["auto", "4", "768", "60s", '"2"'])
OTHER_NAMES = st.sampled_from(["user", "pid", "'quoted'", "worker_processe", "xworker_processes"])


def _statement(name: str, words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(BEFORE, st.just(name), GAPS, words, st.sampled_from(["", " ", "\n"]), st.just(";"), AFTER).map(
        "".join
    )


def _block(name: str, content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    opening = st.sampled_from([" {", "{", "\n{"])
    return st.tuples(BEFORE, st.just(name), opening, AFTER, content, BEFORE, st.just("}"), AFTER).map("".join)


def _some(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=3).map("".join)


OTHERS = OTHER_NAMES.flatmap(lambda name: _statement(name, WORDS))
EVERYWHERE = st.sampled_from(nginx_conf.DIRECTIVES).flatmap(lambda name: _statement(name, SETTINGS))
MISPLACED = _block(
    "http", _some(OTHERS | EVERYWHERE | _block("server", _some(EVERYWHERE)) | _block("events", _some(EVERYWHERE)))
)


@st.composite
def files(draw: st.DrawFn) -> str:
    there = draw(st.sets(st.sampled_from(nginx_conf.DIRECTIVES)))
    inside = [draw(OTHERS) for _other in range(draw(st.integers(0, 2)))]
    if draw(st.booleans()):
        inside.append(draw(_statement("worker_processes", SETTINGS)))
    if "worker_connections" in there:
        inside.append(draw(_statement("worker_connections", SETTINGS)))
    events = draw(_block("events", st.permutations(inside).map("".join)))
    main = [draw(_statement(name, SETTINGS)) for name in sorted(there - {"worker_connections"})]
    misplaced = _statement("worker_connections", SETTINGS)
    rest = draw(st.lists(OTHERS | MISPLACED | misplaced | st.just("# worker_processes 5;\n"), max_size=4))
    text = "".join(draw(st.permutations([events, *main, *rest])))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


NEW_VALUES = st.dictionaries(st.sampled_from(nginx_conf.DIRECTIVES), st.sampled_from(["4", "8", "30s", '"2"']))
WANTED = st.dictionaries(st.sampled_from(nginx_conf.DIRECTIVES), st.none() | st.sampled_from(["4", "8", "30s", '"2"']))


def _with(before: t.Mapping[str, str], wanted: t.Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**before, **wanted}.items() if value is not None}


def _is_setting(directive: Directive, block: str) -> bool:
    return directive.name in nginx_conf.DIRECTIVES and (directive.name == "worker_connections") == (block == "events")


def _settings_and_rest(text: str) -> tuple[dict[str, str], list[Directive]]:
    """What crossplane reads: DIRECTIVES where they belong, and everything else."""
    settings: list[Directive] = []
    rest: list[Directive] = []
    for directive in parse(text).block:
        if directive.name == "events":
            settings += [inner for inner in directive.block if _is_setting(inner, "events")]
            others = tuple(inner for inner in directive.block if not _is_setting(inner, "events") and inner.name != "#")
            rest.append(Directive("events", directive.args, others))
        # crossplane makes a directive of a comment between the words of another one.
        elif directive.name != "#":
            (settings if _is_setting(directive, "") else rest).append(directive)
    assert len({directive.name for directive in settings}) == len(settings)
    return {directive.name: " ".join(directive.args) for directive in settings}, rest


@given(files(), NEW_VALUES)
def test_the_values_from_before_bring_back_the_text_from_before(text: str, new: dict[str, str]) -> None:
    before = nginx_conf.values(text)
    edited = nginx_conf.edited(text, new)
    assert nginx_conf.edited(edited, {name: before.get(name) for name in new}) == text


@given(files(), WANTED)
def test_a_second_edit_changes_nothing(text: str, wanted: dict[str, str | None]) -> None:
    edited = nginx_conf.edited(text, wanted)
    assert nginx_conf.edited(edited, wanted) == edited


@given(files(), WANTED)
def test_the_edited_text_has_the_wanted_values(text: str, wanted: dict[str, str | None]) -> None:
    assert nginx_conf.values(nginx_conf.edited(text, wanted)) == _with(nginx_conf.values(text), wanted)


@given(files(), WANTED)
def test_crossplane_reads_the_wanted_values_and_everything_else_as_before(
    text: str, wanted: dict[str, str | None]
) -> None:
    before, rest = _settings_and_rest(text)
    expected = {name: value.strip('"') for name, value in _with(before, wanted).items()}
    assert _settings_and_rest(nginx_conf.edited(text, wanted)) == (expected, rest)


@given(files())
def test_the_values_are_those_that_crossplane_reads(text: str) -> None:
    values = {name: value.strip('"') for name, value in nginx_conf.values(text).items()}
    assert values == _settings_and_rest(text)[0]


@given(files(), WANTED)
def test_the_line_endings_stay_of_one_kind(text: str, wanted: dict[str, str | None]) -> None:
    edited = nginx_conf.edited(text, wanted)
    if "\r\n" in text:
        assert edited.count("\n") == edited.count("\r\n")
    else:
        assert "\r" not in edited


def test_debians_file_is_edited_in_place() -> None:
    assert nginx_conf.values(DEBIAN) == {"worker_processes": "auto", "worker_connections": "768"}
    start = "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\n"
    events = "\nevents {\n\tworker_connections 768;\n\t# multi_accept on;\n}\n"
    new_start = (
        "user www-data;\nworker_processes 4;\nworker_rlimit_nofile 65536;\nworker_shutdown_timeout 60s;\n"
        "pid /run/nginx.pid;\n"
    )
    new_events = "\nevents {\n\tworker_connections 16384;\n\t# multi_accept on;\n}\n"
    assert start in DEBIAN
    assert events in DEBIAN
    assert nginx_conf.edited(DEBIAN, ALL) == DEBIAN.replace(start, new_start).replace(events, new_events)


def test_nginx_orgs_file_keeps_its_own_spacing() -> None:
    assert nginx_conf.values(NGINX_ORG) == {"worker_processes": "auto", "worker_connections": "1024"}
    start = "\nuser  nginx;\nworker_processes  auto;\n\n"
    new_start = "\nuser  nginx;\nworker_processes  4;\nworker_rlimit_nofile 65536;\nworker_shutdown_timeout 60s;\n\n"
    assert start in NGINX_ORG
    expected = NGINX_ORG.replace(start, new_start).replace("worker_connections  1024;", "worker_connections  16384;")
    assert nginx_conf.edited(NGINX_ORG, ALL) == expected


@pytest.mark.parametrize("stock", [DEBIAN, NGINX_ORG, DEBIAN.replace("\n", "\r\n")])
def test_a_stock_file_comes_back(stock: str) -> None:
    before = nginx_conf.values(stock)
    edited = nginx_conf.edited(stock, ALL)
    assert nginx_conf.edited(edited, {**NONE, **before}) == stock


def test_what_debians_file_sets_can_be_removed() -> None:
    expected = DEBIAN.replace("worker_processes auto;\n", "").replace("\tworker_connections 768;\n", "")
    assert nginx_conf.edited(DEBIAN, NONE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "# mine\n\nuser x;\nevents {\n}\n",
            "# mine\n\nworker_processes 4;\nworker_rlimit_nofile 65536;\nworker_shutdown_timeout 60s;\nuser x;\n"
            "events {\n    worker_connections 16384;\n}\n",
            id="before-the-first-directive",
        ),
        pytest.param(
            "worker_rlimit_nofile 9; # mine\nuser x;\nevents { # mine\n  use epoll;\n}\n",
            "worker_rlimit_nofile 65536; # mine\nworker_processes 4;\nworker_shutdown_timeout 60s;\nuser x;\n"
            "events { # mine\n  worker_connections 16384;\n  use epoll;\n}\n",
            id="after-the-one-that-is-there",
        ),
        pytest.param(
            "worker_processes 1; events {} http {\n}",
            "worker_processes 4; worker_rlimit_nofile 65536; worker_shutdown_timeout 60s;"
            " events { worker_connections 16384; } http {\n}",
            id="all-on-one-line",
        ),
        pytest.param(
            "events {}\nworker_processes 1;",
            "events { worker_connections 16384; }\n"
            "worker_processes 4; worker_rlimit_nofile 65536; worker_shutdown_timeout 60s;",
            id="no-end-of-line-at-the-end",
        ),
        pytest.param(
            "user x;\r\n\tworker_processes 1;\r\nevents\r\n{\r\n}\r\n",
            "user x;\r\n\tworker_processes 4;\r\n\tworker_rlimit_nofile 65536;\r\n\tworker_shutdown_timeout 60s;\r\n"
            "events\r\n{\r\n    worker_connections 16384;\r\n}\r\n",
            id="carriage-returns",
        ),
    ],
)
def test_a_missing_directive_gets_its_place(text: str, expected: str) -> None:
    assert nginx_conf.edited(text, ALL) == expected
    assert nginx_conf.edited(expected, {**NONE, **nginx_conf.values(text)}) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("events {}", "events { worker_connections 1; }"),
        ("events { }", "events { worker_connections 1;  }"),
        ("events {\t}", "events { worker_connections 1; \t}"),
        ("events { use epoll; }", "events { worker_connections 1; use epoll; }"),
        ("events {use epoll;}", "events { worker_connections 1;use epoll;}"),
    ],
)
def test_an_events_block_on_one_line_stays_on_it_and_comes_back(text: str, expected: str) -> None:
    assert nginx_conf.edited(text, {"worker_connections": "1"}) == expected
    assert nginx_conf.edited(expected, {"worker_connections": None}) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user x;\n  worker_processes\n    1; \nevents {}\n", "user x;\nevents {}\n"),
        ("events {}\n  worker_processes 1;", "events {}\n"),
        ("worker_processes 1; # measured\nevents {}", "# measured\nevents {}"),
        ("user x; worker_processes 1; events {}", "user x; events {}"),
        ("user x;worker_processes 1;events {}", "user x;events {}"),
        ("worker_processes 1; events {}", "events {}"),
    ],
)
def test_a_removal_takes_the_line_only_if_nothing_else_is_on_it(text: str, expected: str) -> None:
    assert nginx_conf.edited(text, {"worker_processes": None}) == expected


def test_an_equal_value_and_a_name_that_is_not_given_stay() -> None:
    text = "worker_processes\tauto ;events { worker_connections 5; }"
    assert nginx_conf.edited(text, {"worker_processes": "auto"}) == text
    assert nginx_conf.edited(text, {}) == text


@pytest.mark.parametrize(
    "text",
    [
        "# worker_processes 1;\n",
        "# old Mac\rworker_processes 1;\n",
        "Worker_processes 1;",
        "env 'X=\nworker_processes 1;\n';",
        r'env "X=\"; worker_processes 1;";',
        "worker_connections 1;",
        "http { worker_processes 1; events { worker_connections 1; } }",
        "stream { server { worker_rlimit_nofile 1; } }",
        "env ${x};worker_processesX 1;",
        "env ${worker_processes 1;",
    ],
)
def test_a_directive_elsewhere_is_none(text: str) -> None:
    assert nginx_conf.values(text + "\nevents { worker_processes 1; }") == {}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("worker_processes 'auto';", {"worker_processes": "'auto'"}),
        ("'worker_processes' auto;", {"worker_processes": "auto"}),
        ("env a#b;worker_processes 1;", {"worker_processes": "1"}),
        ("env a'b;worker_processes 1;", {"worker_processes": "1"}),
        (r"env a\;b; worker_processes 1;", {"worker_processes": "1"}),
        ("env ${x}; worker_processes 1;", {"worker_processes": "1"}),
        ("env a}; worker_processes 1;", {"worker_processes": "1"}),
        ("http{}worker_processes 1;", {"worker_processes": "1"}),
        ("", {}),
    ],
)
def test_words_end_where_they_end_for_nginx(text: str, values: dict[str, str]) -> None:
    assert nginx_conf.values(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user x;\nenv 'X;\nevents {}", "line 2: the quote ' is not closed, or not followed by a space"),
        ('env "X"Y;\nevents {}', 'line 1: the quote " is not closed, or not followed by a space'),
        ("events {}\nhttp {\n  server {\n  }\n", "line 2: the block http is not closed"),
        ("events {}\n}\n", "line 2: unexpected }"),
        ("events {\n  use epoll\n}\n", "line 3: unexpected }"),
        ("events {}\n;", "line 2: unexpected ;"),
        ("{}", "line 1: unexpected {"),
        ("events {}\nuser x\n", "line 2: user has no ';' at its end"),
        ("events {}\nuser x\\", "line 2: unexpected \\"),
        (
            "worker_processes 1;\nevents {}\nworker_processes 2;",
            "lines 1 and 3 both contain worker_processes, which nginx accepts only once",
        ),
        (
            "events { worker_connections 1;\nworker_connections 1; }",
            "lines 1 and 2 both contain worker_connections, which nginx accepts only once",
        ),
        ("events {}\nworker_processes;", "line 2: worker_processes needs a value followed by ';'"),
        ("events {}\nworker_processes 1 {}", "line 2: worker_processes needs a value followed by ';'"),
    ],
)
def test_a_file_that_nginx_would_refuse_is_refused(text: str, message: str) -> None:
    for call in (lambda: nginx_conf.values(text), lambda: nginx_conf.edited(text, ALL)):
        with pytest.raises(nginx_conf.MainContextError) as refusal:
            call()
        assert str(refusal.value) == message


@pytest.mark.parametrize(
    "text", ["", "user x;\nhttp { events {} }", "# events {}\n", "events;", "include events.conf;"]
)
def test_without_an_events_block_of_its_own_the_file_is_not_edited(text: str) -> None:
    with pytest.raises(nginx_conf.MainContextError) as refusal:
        nginx_conf.edited(text, {})
    assert str(refusal.value) == (
        "there is no events { } block, where worker_connections is set: if it comes from an include, move it into "
        "this file"
    )


def test_of_two_events_blocks_none_is_edited() -> None:
    with pytest.raises(nginx_conf.MainContextError) as refusal:
        nginx_conf.edited("events {}\nevents {}\n", {})
    assert str(refusal.value) == "lines 1 and 2 both contain events, which nginx accepts only once"
