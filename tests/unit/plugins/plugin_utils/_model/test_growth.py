# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check of a thousand sites takes as long as a thousand checks of one."""

from __future__ import annotations

import difflib
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, repeated
from growth import for_each_pair
from modelling import PATHS


def variables(upstreams: t.Sequence[t.Any], sites: t.Sequence[t.Any], **others: t.Any) -> dict[str, t.Any]:
    return {"websockets_upstreams": list(upstreams), "websockets_sites": list(sites), **others}


def upstreams(number: int) -> list[dict[str, t.Any]]:
    return [{"name": f"u{n}", "servers": [f"h{n}:80"]} for n in range(number)]


def site(number: int, **keys: t.Any) -> dict[str, t.Any]:
    return {"server_name": f"s{number}", "listen": 80, "locations": [{"path": "/", "return": 404}], **keys}


def with_ports_of_their_own(number: int) -> dict[str, t.Any]:
    limits = {"limit_conn_per_client": 4, "allowed_origins": ["https://a.example"]}
    sites = [
        site(n, listen=f"{8000 + n} ssl", **PATHS, **limits, locations=[{"path": "/", "proxy_pass": f"http://u{n}"}])
        for n in range(number)
    ]
    return variables(upstreams(number), sites)


def on_one_port(number: int) -> dict[str, t.Any]:
    return variables(
        upstreams(number), [site(n, locations=[{"path": "/", "upstream": f"u{n}"}]) for n in range(number)]
    )


def for_both_families(number: int) -> dict[str, t.Any]:
    return variables([], [site(n, listen=f"[::]:{8000 + n} ipv6only=off") for n in range(number)])


def many_names(number: int) -> dict[str, t.Any]:
    return variables([], [site(0, server_name=[f"s{n}" for n in range(number)])])


def many_locations(number: int) -> dict[str, t.Any]:
    locations = [{"path": f"/{n}/", "upstream": f"u{n}", "limit_conn_per_client": 4} for n in range(number)]
    return variables(upstreams(number), [site(0, locations=locations)])


def many_drained(number: int) -> dict[str, t.Any]:
    names = [f"h{n}" for n in range(number)]
    servers = [f"{name}:80" for name in [*names, "left"]]
    return variables([{"name": "u", "servers": servers}], [site(0)], websockets_drain=names)


@pytest.mark.parametrize(
    "given",
    [with_ports_of_their_own, on_one_port, for_both_families, many_names, many_locations, many_drained],
)
def test_the_work_grows_in_step_with_the_variables(given: t.Callable[[int], dict[str, t.Any]]) -> None:
    def checked(number: int) -> t.Callable[[], object]:
        found = given(number)
        assert gateway_model(found, {}, {})["errors"] == []
        return lambda: gateway_model(found, {}, {})

    assert for_each_pair(checked) < 1


def test_a_thousand_slips_are_not_compared_with_a_thousand_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    found = difflib.get_close_matches

    def counted(word: str, known: t.Sequence[str], n: int) -> list[str]:
        compared.append(len(known))
        return found(word, known, n)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    sites = [site(n, locations=[{"path": "/", "upstream": f"upstraem-{n}"}]) for n in range(1000)]
    errors = gateway_model(variables(upstreams(1000), sites), {}, {})["errors"]
    assert len(errors) == 1000
    assert sum(compared) <= 10 * 1000


def test_the_first_slips_have_suggestions() -> None:
    errors = Errors()
    assert errors.suggestion("chat-backnd", ["chat-backend", "other"]) == " (did you mean 'chat-backend'?)"


class Word:
    """Counts how often words are compared."""

    compared = 0

    def __init__(self, text: str) -> None:
        self.text = text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        Word.compared += 1
        return isinstance(other, Word) and self.text == other.text


def test_what_is_repeated_is_found_without_comparing_all_with_all() -> None:
    words = [Word(str(number % 500)) for number in range(501)]
    assert [word.text for word in repeated(words)] == ["0"]
    assert Word.compared < 50
