#!/usr/bin/env bash
# Have promtool check the alert rules, and what sets them off. It is taken out of Debian's package prometheus: installed,
# that would start a server.
set -euo pipefail
cd "$(dirname "$0")/.."
promtool=.cache/promtool/usr/bin/promtool

fetch() { apt-get download --quiet --option APT::Sandbox::User=root prometheus; }

if [ ! -x "$promtool" ]; then
    rm -rf .cache/promtool
    mkdir -p .cache/promtool
    (
        cd .cache/promtool
        fetch || { apt-get update --quiet && fetch; }
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract ./usr/bin/promtool
        rm prometheus_*.deb
    )
fi
"$promtool" check rules roles/exporter/files/wsfleet.rules.yml
"$promtool" test rules tests/unit/roles/wsfleet.rules.test.yml
