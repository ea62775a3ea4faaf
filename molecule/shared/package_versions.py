# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further versions of nginx's packages in a gateway's archive, so that there is always one to upgrade to."""

from __future__ import annotations

from gateway import Gateway

PACKAGES = ("nginx", "nginx-common")
# Two that work, and one whose nginx passes its own tests and does not start.
GOOD, OTHER, BROKEN = SUFFIXES = ("+wsfleet1", "+wsfleet2", "+wsfleet3")

_BROKEN_BINARY = r"""#!/bin/sh
case "$*" in *-V* | *-v* | *-t* | *-T*) exec /usr/lib/nginx-of-before "$@" ;; esac
exit 1
"""
# Each version has a binary of its own: what follows the end of an ELF file does not matter to the kernel.
_BUILD = r"""
set -eu
mkdir -p /srv/versions && cd /srv/versions
for name in {names}; do
    dpkg-deb --raw-extract "$(ls /srv/installed/${{name}}_*.deb)" tree
    sed -i "s/{installed}/{version}/g" tree/DEBIAN/control
    if [ -e tree/usr/sbin/nginx ]; then
        if [ {suffix} = {broken} ]; then
            mkdir -p tree/usr/lib
            mv tree/usr/sbin/nginx tree/usr/lib/nginx-of-before
            cp /srv/broken tree/usr/sbin/nginx
            chmod 755 tree/usr/sbin/nginx
        else
            echo {suffix} >> tree/usr/sbin/nginx
        fi
    fi
    dpkg-deb --build -Znone tree "$name{suffix}.deb" > /dev/null
    rm -r tree
done
"""
_INDEX = r"""
set -eu
cd /srv/versions
for file in *.deb; do
    dpkg-deb --field "$file"
    echo "Filename: ./$file"
    echo "Size: $(stat --format %s "$file")"
    echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"
    echo
done > Packages
echo 'deb [trusted=yes] file:/srv/versions ./' > /etc/apt/sources.list.d/versions.list
apt-get update --quiet=2
"""


def installed_version(gateway: Gateway) -> str:
    return gateway.run("dpkg-query --show --showformat='${Version}' nginx")


def add_versions(gateway: Gateway) -> str:
    """Add them all to the archive; return the installed version, which the suffixes follow."""
    installed = installed_version(gateway)
    downloads = " ".join(f"{name}={installed}" for name in PACKAGES)
    gateway.run(f"mkdir -p /srv/installed && cd /srv/installed && apt-get download --quiet=2 {downloads}")
    gateway.path("/srv/broken").write_text(_BROKEN_BINARY)
    names = " ".join(PACKAGES)
    for suffix in SUFFIXES:
        version = installed + suffix
        gateway.run(_BUILD.format(names=names, installed=installed, version=version, suffix=suffix, broken=BROKEN))
    gateway.run(_INDEX)
    return installed


def remove_versions(gateway: Gateway) -> None:
    gateway.run(
        "rm -rf /srv/versions /srv/installed /srv/broken /etc/apt/sources.list.d/versions.list; apt-get update -qq"
    )
