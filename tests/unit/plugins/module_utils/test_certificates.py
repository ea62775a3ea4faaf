# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates nginx would not load."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _certificates

AT = "websockets_sites[0].ssl_certificate"


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates, each with its key, one of which has a password too, and files that are neither."""
    directory = tmp_path_factory.mktemp("pems")
    for name in ("a", "b"):
        command = f"openssl req -x509 -newkey rsa:1024 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name}"
        subprocess.run(command.split(), check=True, capture_output=True, cwd=directory)
    command = "openssl rsa -aes128 -passout pass:secret -in a.key -out a.locked"
    subprocess.run(command.split(), check=True, capture_output=True, cwd=directory)
    (directory / "text").write_text("no PEM\n")
    (directory / "torn").write_text((directory / "a.pem").read_text()[:300])
    (directory / "both").write_text((directory / "a.pem").read_text() + (directory / "a.key").read_text())
    return directory


def errors(pems: Path, certificate: str, key: str | None) -> list[str]:
    path = str(pems / certificate)
    given = _certificates.Certificate(path, str(pems / key) if key else None, AT)
    return [error.replace(f"{pems}/", "") for error in _certificates.errors([given])]


@pytest.mark.parametrize(
    ("certificate", "key"),
    # A key with a password may have it in ssl_password_file, and weak ones are nginx's own affair.
    [("a.pem", "a.key"), ("both", "both"), ("a.pem", None), ("both", None), ("a.pem", "a.locked")],
)
def test_what_nginx_loads_is_no_error(pems: Path, certificate: str, key: str | None) -> None:
    assert errors(pems, certificate, key) == []


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("none", "a.key", f"{AT}: none cannot be read (No such file or directory)"),
        ("a.pem", "none", f"{AT}_key: none cannot be read (No such file or directory)"),
        ("none", None, f"{AT}: none cannot be read (No such file or directory)"),
        (".", None, f"{AT}: . cannot be read (Is a directory)"),
        ("text", "a.key", f"{AT}: text has no certificate in PEM format"),
        ("torn", "a.key", f"{AT}: torn has no certificate in PEM format"),
        ("text", None, f"{AT}: text has no certificate in PEM format"),
        ("a.key", "a.key", f"{AT}: a.key has no certificate in PEM format"),
        ("a.pem", "text", f"{AT}_key: text has no private key in PEM format"),
        ("a.pem", "b.key", f"{AT}_key: b.key is not the key of a.pem"),
    ],
)
def test_what_it_does_not_load_is_told_with_the_variable(
    pems: Path, certificate: str, key: str | None, message: str
) -> None:
    (found,) = errors(pems, certificate, key)
    assert found.replace(str(pems), ".") == message


def test_the_cas_of_the_host_are_where_another_family_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    debian, rhel = tmp_path / "ca-certificates.crt", tmp_path / "ca-bundle.crt"
    monkeypatch.setattr(_certificates, "_CA_FILES", (str(rhel), "/nowhere"))
    assert _certificates.ca_file(str(debian)) == str(debian)
    rhel.touch()
    assert _certificates.ca_file(str(debian)) == str(rhel)
    debian.touch()
    assert _certificates.ca_file(str(debian)) == str(debian)
