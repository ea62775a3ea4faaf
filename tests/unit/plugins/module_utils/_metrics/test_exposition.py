# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that Prometheus reads."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.exposition import Family, Sample


def test_a_family_has_its_help_its_type_and_its_samples() -> None:
    routes = Family(
        "wsfleet_route_up",
        "gauge",
        "Whether the route's probe passed.",
        [Sample(True, {"site": "a.example", "path": "/ws"}), Sample(0.0, {"site": "b.example", "path": "= /"})],
    )
    assert exposition.text([routes]) == (
        "# HELP wsfleet_route_up Whether the route's probe passed.\n"
        "# TYPE wsfleet_route_up gauge\n"
        'wsfleet_route_up{site="a.example",path="/ws"} 1\n'
        'wsfleet_route_up{site="b.example",path="= /"} 0\n'
    )


def test_of_a_family_without_samples_there_is_nothing() -> None:
    assert exposition.text([Family("wsfleet_x", "gauge", "None.", [])]) == ""


def test_what_would_end_a_label_or_a_line_is_escaped() -> None:
    path = 'a "quoted" \\d+\nline'
    family = Family("wsfleet_x", "gauge", "One \\ two\nlines.", [Sample(1, {"path": path})])
    assert exposition.text([family]).splitlines() == [
        "# HELP wsfleet_x One \\\\ two\\nlines.",
        "# TYPE wsfleet_x gauge",
        'wsfleet_x{path="a \\"quoted\\" \\\\d+\\nline"} 1',
    ]


def test_no_digit_of_a_value_is_lost() -> None:
    values = [1790000000, 1790000000.25, 0.0125, 1e-9, 2**53]
    lines = exposition.text([Family("wsfleet_x", "counter", "X.", [Sample(value) for value in values])]).splitlines()
    assert [float(line.split()[1]) for line in lines[2:]] == values
    assert lines[2] == "wsfleet_x 1790000000"


def test_a_bucket_without_a_bound_is_infinite() -> None:
    buckets = [Sample(1, {"le": "1.0"}, "_bucket"), Sample(2, {"le": "+Inf"}, "_bucket"), Sample(3.5, suffix="_sum")]
    lines = exposition.text([Family("wsfleet_x", "histogram", "X.", buckets)]).splitlines()
    assert lines[2:] == ['wsfleet_x_bucket{le="1.0"} 1', 'wsfleet_x_bucket{le="+Inf"} 2', "wsfleet_x_sum 3.5"]


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wsfleet.prom"
    for content in ("wsfleet_x 1\n", "wsfleet_x 2\n"):
        exposition.write(path, content)
    assert path.read_text() == "wsfleet_x 2\n"
    assert list(tmp_path.iterdir()) == [path]
