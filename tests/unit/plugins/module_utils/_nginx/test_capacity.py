# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of nginx: raised, and those that are too low."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity


@pytest.mark.parametrize(
    ("wanted", "original", "raised"),
    [
        ({"worker_connections": "4096"}, {}, {"worker_connections": "4096"}),
        ({"worker_connections": "4096"}, {"worker_connections": "768"}, {"worker_connections": "4096"}),
        ({"worker_connections": "4096"}, {"worker_connections": "10000"}, {"worker_connections": "10000"}),
        ({"worker_rlimit_nofile": "900"}, {"worker_rlimit_nofile": "1024"}, {"worker_rlimit_nofile": "1024"}),
        ({"worker_connections": "4096"}, {"worker_connections": "'768'"}, {"worker_connections": "4096"}),
        ({"worker_connections": "4096"}, {"worker_rlimit_nofile": "9000"}, {"worker_connections": "4096"}),
        (
            {"worker_connections": "4096", "worker_rlimit_nofile": "4608"},
            {"worker_connections": "30000"},
            {"worker_connections": "30000", "worker_rlimit_nofile": "30512"},
        ),
        # What is no limit, or is to go, is as wanted.
        ({"worker_processes": "2"}, {"worker_processes": "8"}, {"worker_processes": "2"}),
        ({"worker_processes": "auto"}, {"worker_processes": "8"}, {"worker_processes": "auto"}),
        ({"worker_connections": None}, {"worker_connections": "768"}, {"worker_connections": None}),
        ({}, {"worker_connections": "768"}, {}),
    ],
)
def test_no_limit_gets_below_the_one_before_the_first_deploy(
    wanted: dict[str, str | None], original: dict[str, str], raised: dict[str, str | None]
) -> None:
    assert capacity.raised(wanted, original) == raised


@pytest.mark.parametrize(
    ("wanted", "now", "found"),
    [
        ({"worker_connections": "1024"}, {"worker_connections": "1024"}, []),
        (
            {"worker_connections": "1024"},
            {"worker_connections": "768"},
            ["worker_connections is 768, but 1024 are needed"],
        ),
        ({"worker_connections": "512"}, {}, []),
        ({"worker_connections": "513"}, {}, ["worker_connections is 512, but 513 are needed"]),
        ({}, {"worker_connections": "1"}, []),
        ({"worker_connections": None}, {"worker_connections": "1"}, []),
    ],
)
def test_too_few_connections_are_told(wanted: dict[str, str | None], now: dict[str, str], found: list[str]) -> None:
    assert capacity.shortfalls(wanted, now, None) == found


@pytest.mark.parametrize(
    ("open_files", "found"),
    [
        (1024, ["a worker of the running nginx may open 1024 files, but 2048 are needed"]),
        (2047, ["a worker of the running nginx may open 2047 files, but 2048 are needed"]),
        (2048, []),
        (None, []),
    ],
)
def test_a_running_worker_that_may_open_too_few_files_is_told(open_files: int | None, found: list[str]) -> None:
    # What nginx.conf says of them is for the next start.
    now = {"worker_rlimit_nofile": "2048"}
    assert capacity.shortfalls({"worker_rlimit_nofile": "2048"}, now, open_files) == found


@pytest.mark.parametrize(
    ("sockets", "workers", "connections"),
    [
        # One worker holds all of them.
        (4096, 1, 8704),
        (4096, 2, 5632),
        (4096, 4, 3072),
        (100_000, 2, 125_512),
        (100_000, 16, 16_138),
        (1, 64, 514),
    ],
)
def test_a_worker_holds_its_share_with_room_for_an_uneven_spread(sockets: int, workers: int, connections: int) -> None:
    found = capacity.limits(sockets, workers)
    assert found == {"worker_rlimit_nofile": str(connections + 512), "worker_connections": str(connections)}


@pytest.mark.parametrize("sockets", [1, 100, 4096, 100_000, 10_000_000])
@pytest.mark.parametrize("workers", [1, 2, 8, 64])
def test_all_workers_together_hold_all_sockets_and_a_lucky_one_more_than_its_share(sockets: int, workers: int) -> None:
    """Each socket takes any of the workers: six times the standard deviation is beyond what is ever seen."""
    room = (int(capacity.limits(sockets, workers)["worker_connections"])) // 2
    assert room * workers >= sockets
    assert room >= min(sockets, sockets / workers + 6 * (sockets / workers * (1 - 1 / workers)) ** 0.5)


@pytest.mark.parametrize(("given", "workers"), [("1", 1), ("4", 4), (None, 1), ("auto", os.cpu_count())])
def test_nginx_conf_says_how_many_workers_there_are(given: str | None, workers: int) -> None:
    assert capacity.workers(given) == workers


def test_both_shortfalls_are_told() -> None:
    wanted = {"worker_connections": "2048", "worker_rlimit_nofile": "4096"}
    assert len(capacity.shortfalls(wanted, {"worker_connections": "1024"}, 1024)) == 2


def test_the_limit_of_a_process_is_its_soft_one() -> None:
    assert capacity.open_files(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with subprocess.Popen(["sh", "-c", "ulimit -Sn 37; echo; read end"], stdin=-1, stdout=-1) as process:
        assert process.stdout
        process.stdout.readline()
        assert capacity.open_files(process.pid) == 37
        process.communicate()


def test_the_limit_of_no_process_is_unknown() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert capacity.open_files(process.pid) is None


@pytest.mark.parametrize(
    ("wanted", "largest"),
    [
        ([], {}),
        ([({"worker_processes": "2"}, None)], {"worker_processes": "2"}),
        (
            [({"worker_processes": "2"}, 4096), ({"worker_shutdown_timeout": "1h"}, 100)],
            {
                "worker_processes": "2",
                "worker_shutdown_timeout": "1h",
                "worker_connections": "5632",
                "worker_rlimit_nofile": "6144",
            },
        ),
        (
            [({"worker_shutdown_timeout": "90m"}, None), ({"worker_shutdown_timeout": "1h"}, None)],
            {"worker_shutdown_timeout": "90m"},
        ),
        # 0 is for ever.
        (
            [({"worker_shutdown_timeout": "0"}, None), ({"worker_shutdown_timeout": "1w"}, None)],
            {"worker_shutdown_timeout": "0"},
        ),
        (
            [({"worker_processes": "1"}, None), ({"worker_processes": "3"}, None)],
            {"worker_processes": "3"},
        ),
        (
            [({"worker_connections": "9000"}, None), ({}, 100)],
            {"worker_connections": "9000", "worker_rlimit_nofile": "1224"},
        ),
    ],
)
def test_all_gateways_of_a_host_get_the_largest_values_in_any_order(
    wanted: list[tuple[dict[str, str], int | None]], largest: dict[str, str]
) -> None:
    given = [{"directives": directives, "sockets": sockets} for directives, sockets in wanted]
    assert capacity.largest(given) == capacity.largest(given[::-1]) == largest
