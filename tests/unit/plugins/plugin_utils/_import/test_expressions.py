# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions of Jinja2 in the variables of other roles stay expressions, where this role's can have them."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.expressions import Templated
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import Imported, imported

VHOST = """---
nginx_client_max_body_size: 1m
nginx_vhosts:
  - server_name: "{{ domain }} www.{{ domain }}"
    listen: 443 ssl
    extra_parameters: |
      ssl_certificate {{ certificates }};
      ssl_certificate_key /etc/ssl/{{ domain }}.key;
      location /{{ path }}/ {
        proxy_pass http://{{ groups['app'][0] }}:3000;
        proxy_set_header X-From "{{ domain }}";
        proxy_set_header Host $host;
      }
"""


def vhost(text: str) -> Imported:
    return imported(
        {"vars.yml": f"---\nnginx_client_max_body_size: 1m\nnginx_vhosts:\n  - extra_parameters: |\n      {text}\n"}
    )


def test_names_and_paths_keep_their_expressions() -> None:
    found = imported({"vars.yml": VHOST})
    (site,) = found["variables"]["websockets_sites"]
    assert site == {
        "server_name": ["{{ domain }}", "www.{{ domain }}"],
        "listen": "443 ssl",
        "ssl_certificate": "{{ certificates }}",
        "ssl_certificate_key": "/etc/ssl/{{ domain }}.key",
        "locations": [
            {
                "path": "/{{ path }}/",
                "proxy_pass": "http://{{ groups['app'][0] }}:3000",
                "websocket": False,
                "headers": {"X-From": "{{ domain }}"},
            }
        ],
    }
    # Nothing but text, which any filter takes.
    assert not isinstance(site["ssl_certificate"], Templated)
    assert yaml.safe_load(found["yaml"]) == found["variables"]
    assert "  vars.yml:7: {{ certificates }} stays: the gateways must know its variables, too" in found["report"]
    assert "question" not in [note["kind"] for note in found["notes"]]


@pytest.mark.parametrize(
    "text",
    [
        "location / { proxy_pass http://127.0.0.1:{{ port }}; }",
        "location / { proxy_pass {{ url }}; }",
        "location / { return {{ answer }}; }",
        "{% for one in all %}location /{{ one }} { proxy_pass http://a:1; }{% endfor %}",
    ],
)
def test_numbers_whole_urls_and_loops_are_questions(text: str) -> None:
    found = vhost(text)
    assert "{{" not in str(found["variables"])
    assert "question" in [note["kind"] for note in found["notes"]]


def test_in_files_of_nginx_they_are_questions_and_text_is_no_expression() -> None:
    found = imported({"a.conf": "server { server_name {{ a }}; location / { return 200 '{{'; } }"})
    assert found["variables"]["websockets_sites"][0]["server_name"] == "a"
    assert "!unsafe" in found["yaml"]


def test_two_expressions_are_two_and_one_is_one() -> None:
    text = "".join(f"location /{number}/ {{ proxy_pass http://{{{{ h{number % 11} }}}}:1; }} " for number in range(13))
    locations = vhost(text)["variables"]["websockets_sites"][0]["locations"]
    assert [one["proxy_pass"] for one in locations] == [f"http://{{{{ h{number % 11} }}}}:1" for number in range(13)]
