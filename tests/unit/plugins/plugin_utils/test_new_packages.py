# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._new_packages import of_apt, of_dnf

# Debian 12, apt 2.6.
ONE_PACKAGE = """\
Reading package lists...
Building dependency tree...
Reading state information...
The following NEW packages will be installed:
  python3-websockets
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Need to get 62.8 kB of archives.
Get:1 http://deb.debian.org/debian bookworm/main amd64 python3-websockets all 10.4-1 [62.8 kB]
Selecting previously unselected package python3-websockets.
Unpacking python3-websockets (10.4-1) ...
Setting up python3-websockets (10.4-1) ...
"""

# Debian 13, apt 3.0: dependencies, suggestions and recommendations are listed alike.
SEVERAL_LINES = """\
Reading package lists...
Building dependency tree...
Reading state information...
The following additional packages will be installed:
  libbrotli1 libcurl4t64 libgnutls30t64 libidn2-0 libldap2 libnghttp2-14
  libnghttp3-9 libp11-kit0 libpsl5t64 librtmp1 libsasl2-2 libsasl2-modules-db
  libssh2-1t64 libtasn1-6 libunistring5 nginx-common
Suggested packages:
  gnutls-bin php-cgi php-fpm spawn-fcgi apache2-utils lighttpd-doc
  nginx-doc ssl-cert
Recommended packages:
  bash-completion libldap-common publicsuffix libsasl2-modules
  lighttpd-mod-deflate lighttpd-mod-openssl
The following NEW packages will be installed:
  curl libbrotli1 libcurl4t64 libgnutls30t64 libidn2-0 libldap2 libnghttp2-14
  libnghttp3-9 libp11-kit0 libpsl5t64 librtmp1 libsasl2-2 libsasl2-modules-db
  libssh2-1t64 libtasn1-6 libunistring5 lighttpd nginx nginx-common
0 upgraded, 19 newly installed, 0 to remove and 0 not upgraded.
Need to get 5367 kB of archives.
"""

# Debian 11, apt 2.2: one of the packages is there already.
NOTHING_NEW = """\
Reading package lists...
Building dependency tree...
Reading state information...
python3-websockets is already the newest version (8.1-1+deb11u1).
0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.
"""

UPGRADE_BESIDE = """\
Reading package lists...
Building dependency tree...
Reading state information...
The following NEW packages will be installed:
  nginx
The following packages will be upgraded:
  nginx-common
1 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
"""


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        pytest.param(ONE_PACKAGE, ["python3-websockets"], id="one package"),
        pytest.param(
            SEVERAL_LINES,
            [
                *("curl", "libbrotli1", "libcurl4t64", "libgnutls30t64", "libidn2-0", "libldap2", "libnghttp2-14"),
                *("libnghttp3-9", "libp11-kit0", "libpsl5t64", "librtmp1", "libsasl2-2", "libsasl2-modules-db"),
                *("libssh2-1t64", "libtasn1-6", "libunistring5", "lighttpd", "nginx", "nginx-common"),
            ],
            id="several lines, none of the suggested or recommended",
        ),
        pytest.param(NOTHING_NEW, [], id="nothing new"),
        pytest.param(UPGRADE_BESIDE, ["nginx"], id="not what is upgraded beside"),
        pytest.param("", [], id="no output, as in a run that did not call apt-get"),
        pytest.param("The following NEW packages will be installed:\n  nginx", ["nginx"], id="output that ends there"),
    ],
)
def test_lists_what_apt_newly_installed(stdout: str, expected: list[str]) -> None:
    assert of_apt(stdout) == expected


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(
            [
                "Installed: nginx-2:1.26.3-1.el10.x86_64",
                "Installed: nginx-core-2:1.26.3-1.el10.x86_64",
                "Installed: rocky-logos-httpd-100.4-7.el10.noarch",
            ],
            ["nginx", "nginx-core", "rocky-logos-httpd"],
            id="dependencies too",
        ),
        pytest.param(
            [
                "Installed: nginx-1:1.20.1-20.el9.x86_64",
                "Installed: openssl-libs-1:3.2.2-6.el9.x86_64",
                "Removed: openssl-libs-1:3.0.7-27.el9.x86_64",
            ],
            ["nginx"],
            id="not what is upgraded beside",
        ),
        pytest.param([], [], id="nothing new"),
        pytest.param(["Group web installed.", "Nothing to do"], [], id="other messages"),
    ],
)
def test_lists_what_dnf_newly_installed(results: list[str], expected: list[str]) -> None:
    assert of_dnf(results) == expected
