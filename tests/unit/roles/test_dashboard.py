# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard of the role exporter asks for nothing but what the exporter shows."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD: dict[str, t.Any] = json.loads((ROOT / "roles/exporter/files/grafana-websockets.json").read_text())
PANELS: list[dict[str, t.Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
# What the exporters of Debian 11 (0.8.0), 12 (0.11.0), 13 (1.4.1) and sid (1.5.1) show of nginx; the scenario
# "exporter" compares it with theirs.
METRICS = {
    "nginx_connections_accepted": "counter",
    "nginx_connections_active": "gauge",
    "nginx_connections_handled": "counter",
    "nginx_connections_reading": "gauge",
    "nginx_connections_waiting": "gauge",
    "nginx_connections_writing": "gauge",
    "nginx_http_requests_total": "counter",
    "nginx_up": "gauge",
}
# Those of the pacer on the dashboard, which node_exporter shows, on a port of its own.
PACER = {"wsfleet_ended_sockets_total": "counter", "wsfleet_old_generations": "gauge", "wsfleet_old_tunnels": "gauge"}
OF_NGINX = [expression for expression in EXPRESSIONS if "wsfleet_" not in expression]


def metrics(expression: str) -> set[str]:
    """The metrics of an expression: its names that are no function, no label and no variable of the dashboard."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\$\w+", "", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()", bare))


def ranges(expression: str) -> set[str]:
    """The metrics of an expression that a range is taken of."""
    return set(re.findall(r"\b(?:rate|increase)\((\w+)(?:\{[^}]*\})?\[[^]]*\]\)", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_that_the_exporter_shows(expression: str) -> None:
    assert metrics(expression)
    assert metrics(expression) <= {*METRICS, *PACER}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_of_counters_and_of_nothing_else_the_increase_is_shown(expression: str) -> None:
    assert ranges(expression) == {metric for metric in metrics(expression) if {**METRICS, **PACER}[metric] == "counter"}


def test_every_metric_is_on_the_dashboard() -> None:
    assert set.union(*map(metrics, EXPRESSIONS)) == {*METRICS, *PACER}


@pytest.mark.parametrize("expression", OF_NGINX)
def test_every_figure_of_nginx_is_of_the_chosen_gateways(expression: str) -> None:
    selectors = re.findall(r'\bnginx_\w+(\{instance=~"\$instance"\})?', expression)
    assert selectors
    assert all(selectors)


def test_every_panel_asks_the_chosen_source() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert [panel["datasource"] for panel in PANELS] == [chosen] * len(PANELS)
    assert all(target["datasource"] == chosen for panel in PANELS for target in panel["targets"])
    (source,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["name"] == "datasource")
    assert (source["type"], source["query"]) == ("datasource", "prometheus")


def test_every_variable_of_an_expression_is_one_of_the_dashboard() -> None:
    own = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", "\n".join(EXPRESSIONS)))
    assert {name for name in used if not name.startswith("__")} == own - {"datasource"}


def test_the_gateways_are_found_by_a_metric_that_is_there_while_nginx_is_not() -> None:
    (instances,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["name"] == "instance")
    assert instances["query"]["query"] == "label_values(nginx_up, instance)"


def test_the_capacity_begins_with_the_default_of_the_role() -> None:
    (capacity,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["name"] == "capacity")
    defaults = yaml.safe_load((ROOT / "roles/websockets/defaults/main.yml").read_text())
    assert capacity["query"] == capacity["current"]["value"] == str(defaults["websockets_capacity"])


def test_no_two_panels_have_one_place_or_one_id() -> None:
    places = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in PANELS
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(column for column, _row in places) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_every_panel_says_what_it_shows() -> None:
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)
