#!/usr/bin/env bash
# Have Debian's blackbox_exporter for the unit tests: its binary alone, unpacked, as the package would start a server.
set -euo pipefail
cd "$(dirname "$0")/.."
exporter=.cache/blackbox/usr/bin/prometheus-blackbox-exporter

fetch() { apt-get download --quiet --option APT::Sandbox::User=root prometheus-blackbox-exporter; }

if [ ! -x "$exporter" ]; then
    rm -rf .cache/blackbox
    mkdir -p .cache/blackbox
    (
        cd .cache/blackbox
        fetch || { apt-get update --quiet && fetch; }
        dpkg-deb --fsys-tarfile prometheus-blackbox-exporter_*.deb |
            tar --extract ./usr/bin/prometheus-blackbox-exporter
        rm prometheus-blackbox-exporter_*.deb
    )
fi
