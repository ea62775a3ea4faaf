# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy leaves on a gateway, and how a test gives it back as the scenario deployed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway import Gateway
from playbook import INVENTORIES, site

NGINX_CONF = "/etc/nginx/nginx.conf"
DROP_IN = "/etc/systemd/system/nginx.service.d/50-wsfleet.conf"
# All that a deploy may change, but for the files of certificates.
FILES = (
    Gateway.configuration,
    NGINX_CONF,
    DROP_IN,
    "/etc/systemd/system/wsfleet-pacer.service",
    "/etc/systemd/system/wsfleet-prober.service",
    "/etc/systemd/system/wsfleet-exchange.service",
    "/usr/local/lib/wsfleet/nginx.pyz",
    "/usr/sbin/policy-rc.d",
)
# Lists what no deploy leaves, whether it succeeded, failed or was ended by the next one.
LEFT_BEHIND = (
    "find /etc/nginx /etc/systemd/system /usr/local/lib /usr/sbin -name '.?*';"
    "find /var/lib/wsfleet-nginx -name journal; find /run/wsfleet-nginx -mindepth 1 -type d; ls -d /tmp/candidate-*"
)

Contents = Mapping[str, "bytes | None"]
State = tuple[Contents, str, bool]
_as_found: dict[str, State] = {}


def contents(gateway: Gateway) -> Contents:
    """The files of a deploy; None for those that are not there."""
    paths = {name: gateway.path(name) for name in FILES}
    return {name: path.read_bytes() if path.exists() else None for name, path in paths.items()}


def _state(gateway: Gateway) -> State:
    """All files of a deploy, which configuration nginx serves, and whether it runs."""
    configuration = Path(gateway.configuration)
    beside = gateway.path(str(configuration.parent)).glob(f"{configuration.stem}.*")
    files = {**contents(gateway), **{path.name: path.read_bytes() for path in beside}}
    try:
        return files, gateway.fingerprint, bool(gateway.workers())
    except OSError:
        return files, "", bool(gateway.workers())


@contextmanager
def as_deployed(*gateways: Gateway, inventories: Sequence[Path] = INVENTORIES) -> Iterator[None]:
    """Deploy the inventory's configuration before and after a test where it is not the one that is live.

    It is the one that the first test in a scenario found.
    """
    _restore(gateways, inventories)
    try:
        yield
    finally:
        _restore(gateways, inventories)


def _restore(gateways: Sequence[Gateway], inventories: Sequence[Path]) -> None:
    others = [gateway for gateway in gateways if _state(gateway) != _as_found.setdefault(gateway.name, _state(gateway))]
    if others:
        names = ",".join(gateway.name for gateway in others)
        run = site({}, inventories=inventories, arguments=["--limit", names])
        assert not run.failed, run.output
        assert [_state(gateway) for gateway in others] == [_as_found[gateway.name] for gateway in others]
