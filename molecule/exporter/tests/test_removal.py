# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the exporter goes, and what a run does where the role has none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exporters import DEFAULTS, GATEWAYS, changes, everywhere, packages, run, shows_nginx
from playbook import Run
from waiting import wait_until

PACKAGE = "prometheus-nginx-exporter"
OWN = "--web.listen-address=127.0.0.1:9200 --nginx.scrape-uri=http://127.0.0.1:488/stub_status"
TRACES = (
    "find /etc /usr /var /run -xdev \\( -path /var/log -o -path /var/lib/apt -o -path /var/cache \\) -prune"
    " -o -name '*nginx-exporter*' -print -o -name '*wsfleet-exporter*' -print"
)


@pytest.fixture(scope="module", autouse=True)
def removal() -> Iterator[Run]:
    """The run that takes the exporters away, and after all tests one that brings them back."""
    yield run(exporter_state="absent")
    ended = run()
    assert not ended.failed, ended.output


def test_absent_takes_away_all_that_the_role_brought(removal: Run) -> None:
    assert 0 not in changes(removal)
    assert packages() == everywhere("cat /root/packages")
    assert set(everywhere(TRACES)) == {""}
    for gateway in GATEWAYS:
        with pytest.raises(ConnectionRefusedError):
            shows_nginx(gateway, 9113)
        assert gateway.echoes()


def test_absent_again_changes_nothing() -> None:
    assert changes(run(exporter_state="absent")) == {0}


def test_check_mode_on_a_host_without_it_installs_nothing() -> None:
    before = packages()
    assert 0 not in changes(run("--check"))
    assert packages() == before
    assert set(everywhere(TRACES)) == {""}


@pytest.fixture
def own_exporters() -> Iterator[None]:
    """Exporters of somebody else's, on another port."""
    everywhere(f"apt-get install --yes --no-install-recommends {PACKAGE}")
    everywhere(f"sed -i 's|^ARGS=.*|ARGS=\"{OWN}\"|' {DEFAULTS}")
    yield
    # With the file that the role changes.
    everywhere(f"apt-get purge --yes {PACKAGE}")


@pytest.mark.usefixtures("own_exporters")
def test_an_exporter_that_was_there_before_goes_on_as_it_was() -> None:
    before = packages(), everywhere(f"cat {DEFAULTS}")
    assert 0 not in changes(run())
    assert all(shows_nginx(gateway, 9113) for gateway in GATEWAYS)
    assert 0 not in changes(run(exporter_state="absent"))
    assert (packages(), everywhere(f"cat {DEFAULTS}")) == before
    wait_until(lambda: all(shows_nginx(gateway, 9200) for gateway in GATEWAYS), "their exporters listen again")
