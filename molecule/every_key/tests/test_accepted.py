# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx itself accepts what the language can say, without a warning."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import strategies
import yaml
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from gateway import Gateway
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as over
from playbook import site
from rendering import ROOT, render

# Each file is tested in a configuration of its own, and nginx prints nothing but errors and warnings.
TEST_ALL = """
cd "$(mktemp -d)" && tar x
for file in *.conf; do
    printf 'events {} pid %s/pid; http { include %s/%s; }' "$PWD" "$PWD" "$file" >main
    nginx -q -t -c "$PWD/main" 2>&1 | sed "s/^/$file: /"
done
"""
FILES = 100
# What a gateway of the scenario has, for whatever a file names.
KEY = re.compile(r"(ssl_certificate_key) (?!data:).*;")
CERTIFICATE = re.compile(r"(ssl_(?:client_|trusted_)?certificate) (?!data:).*;")


def objections(gateway: Gateway, texts: Iterable[str]) -> str:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number, given in enumerate(texts):
            text = KEY.sub(r"\1 /etc/ssl/private/gateway.pem;", given)
            text = CERTIFICATE.sub(r"\1 /etc/ssl/certs/gateway.pem;", text)
            entry = tarfile.TarInfo(f"{number}.conf")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    command = ["podman", "exec", "--interactive", gateway.container, "sh", "-c", TEST_ALL]
    return subprocess.run(command, input=archive.getvalue(), check=True, capture_output=True).stdout.decode()


@pytest.fixture
def version(gateway: Gateway) -> str:
    (found,) = re.findall(r"nginx/([0-9.]+)", gateway.console.run("nginx -v").stderr)
    return str(found)


def test_the_file_is_the_one_that_is_rendered_without_a_host(gateway: Gateway, version: str, tmp_path: Path) -> None:
    openssl = re.findall(r"OpenSSL ([0-9.]+)", gateway.console.run("nginx -V").stderr)[-1]
    run = site(
        {
            "websockets_render_dir": str(tmp_path),
            "websockets_nginx_version": version,
            "websockets_openssl_version": openssl,
        },
        arguments=["--limit", gateway.name],
        playbook="wsfleet.nginx.render",
    )
    assert not run.failed, run.output
    deployed = gateway.console.file("/etc/nginx/conf.d/50-websockets.conf").content
    assert (tmp_path / f"{gateway.name}.conf").read_bytes() == deployed


def test_whatever_the_variables_say(gateway: Gateway, version: str) -> None:
    texts: list[str] = []

    @over(strategies.gateways(tuple(map(int, version.split(".")))))
    @settings(
        max_examples=FILES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(variables: dict[str, Any]) -> None:
        texts.append(render(variables))

    collect()
    assert len(texts) >= FILES
    assert objections(gateway, texts) == ""


def test_the_worked_examples(gateway: Gateway, version: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/examples.md").read_text(), re.DOTALL)
    hosts: dict[str, Any] = {}
    texts = []
    for block in map(yaml.safe_load, blocks):
        if not isinstance(block, dict):
            continue
        if "chat_backends" in block:
            hosts = block["chat_backends"]["hosts"]
        elif isinstance(block.get("websockets_sites"), list):
            texts.append(rendered(block, version, {name: variables or {} for name, variables in hosts.items()}))
    assert len(texts) == 9
    assert objections(gateway, texts) == ""


def rendered(variables: dict[str, Any], version: str, hosts: dict[str, Any]) -> str:
    """As a deploy writes it, but for the names, which nothing resolves here."""
    groups = {"chat_backends": list(hosts)}
    text = render({**variables, "websockets_nginx_version": version}, groups=groups, hostvars=hosts)
    for item in gateway_model(variables, groups, hosts)["names"]:
        text = text.replace(f"server {item['name']}:", "server 127.0.0.1:")
    return text
