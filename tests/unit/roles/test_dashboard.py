# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard and the alert rules of the role exporter ask for nothing but what gateways show."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import pacer
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober, record, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.traffic import Traffic
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.generations import Generation
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.certificate import RENEWAL_PERIOD
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

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


def written() -> dict[str, str]:
    """The metrics that the services on a gateway write, which node_exporter shows on a port of its own."""
    nothing = routes.Found(results=[], servers=[], live={}, edited={}, connections=None)
    one = prober.Prober(record.Record([]), 15, Path("/nonexistent"))
    families = [
        *pacer.families([Generation([1], 0.0, 0, 0, 0)], 0),
        *routes.families(nothing),
        *Traffic([], Path("/nonexistent"), {}).families(),
        *one._own(0.0, 0.0, 0),
    ]
    return {family.name: family.kind for family in families}


WRITTEN = written()
# Of a pacer while no workers are shutting down; the scenario "exporter" looks for them.
PACER = {family.name: family.kind for family in pacer.families([], 0)}
KINDS = {**METRICS, **WRITTEN}
for _name in [name for name, kind in WRITTEN.items() if kind == "histogram"]:
    KINDS.update({f"{_name}_{suffix}": "counter" for suffix in ("bucket", "sum", "count")})
RULES: list[dict[str, t.Any]] = [
    one
    for group in yaml.safe_load((ROOT / "roles/exporter/files/wsfleet.rules.yml").read_text())["groups"]
    for one in group["rules"]
]
RULE_EXPRESSIONS = [one["expr"] for one in RULES]
OF_NGINX = [expression for expression in EXPRESSIONS if "wsfleet_" not in expression]


def metrics(expression: str) -> set[str]:
    """The metrics of an expression: its names that are no function, no label and no variable of the dashboard."""
    labels = r"\b(?:by|without|on|group_left) *\([^)]*\)"
    bare = re.sub(rf"\{{[^}}]*\}}|\[[^]]*\]|\$\w+|{labels}", "", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()", bare)) - {"and", "or", "bool", "sum", "max", "min"}


def ranges(expression: str) -> set[str]:
    """The metrics of an expression that a range is taken of."""
    return set(re.findall(r"\b(?:rate|increase)\((\w+)(?:\{[^}]*\})?\[[^]]*\]\)", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS + RULE_EXPRESSIONS)
def test_an_expression_asks_for_metrics_that_gateways_show(expression: str) -> None:
    assert metrics(expression)
    assert metrics(expression) <= set(KINDS)


@pytest.mark.parametrize("expression", EXPRESSIONS + RULE_EXPRESSIONS)
def test_of_counters_and_of_nothing_else_the_increase_is_taken(expression: str) -> None:
    assert ranges(expression) == {metric for metric in metrics(expression) if KINDS[metric] == "counter"}


def test_every_metric_of_nginx_is_on_the_dashboard() -> None:
    assert set.union(*map(metrics, EXPRESSIONS)) >= set(METRICS)


def test_the_readme_has_every_metric_that_gateways_show_and_every_alert() -> None:
    tables = re.findall(r"^\| (`.*?`) \|", (ROOT / "roles/exporter/README.md").read_text(), re.MULTILINE)
    names = [name for cell in tables for name in re.findall(r"`(\w+)", cell)]
    assert sorted(name for name in names if name.startswith(("nginx_", "wsfleet_"))) == sorted([*METRICS, *WRITTEN])
    assert [name for name in names if name.startswith("Wsfleet")] == [one["alert"] for one in RULES]


def test_every_alert_has_a_test_that_sets_it_off_and_says_what_to_do() -> None:
    tests = (ROOT / "tests/unit/roles/wsfleet.rules.test.yml").read_text()
    assert set(re.findall(r'alertname="(\w+)",alertstate="firing"', tests)) == {one["alert"] for one in RULES}
    assert {one["labels"]["severity"] for one in RULES} == {"critical", "warning", "info"}
    assert all(set(one["annotations"]) == {"summary", "description"} for one in RULES)
    assert all(one["annotations"]["description"].endswith(".") for one in RULES)


def test_the_warning_of_a_certificate_is_that_of_verify() -> None:
    (found,) = (one["expr"] for one in RULES if one["alert"] == "WsfleetCertificateExpires")
    assert f"< {RENEWAL_PERIOD.days} * 86400" in found


@pytest.mark.parametrize("expression", [one for one in EXPRESSIONS if "wsfleet_" in one])
def test_every_figure_of_the_services_is_of_the_chosen_gateways_and_sites(expression: str) -> None:
    selectors = re.findall(r"\bwsfleet_\w+(?:\{(.*?)\})?", expression)
    assert selectors
    assert set(selectors) <= {'instance=~"$node"', 'instance=~"$node",site=~"$site"'}


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


def lost(given: object, kept: object) -> list[object]:
    """What is not in the second one of two values of JSON."""
    if isinstance(given, dict) and isinstance(kept, dict):
        pairs = ((key, value, kept.get(key, ...)) for key, value in given.items())
        return [found for key, value, other in pairs for found in ([key] if other is ... else lost(value, other))]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [found for value, other in zip(given, kept, strict=True) for found in lost(value, other)]
    return [] if given == kept else [given]


def test_grafana_knows_all_that_the_dashboard_says() -> None:
    plugins.register_default_plugins()
    read = Dashboard.from_json(copy.deepcopy(DASHBOARD))
    assert lost(DASHBOARD, json.loads(JSONEncoder(sort_keys=True).encode(read))) == []


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
