#!/usr/bin/env bash
# Have promtool check the alert rules, what sets them off, and the dashboard's expressions. It is taken out of Debian's
# package prometheus: installed, that would start a server.
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
# As rules, with values for Grafana's variables.
.venv/bin/python - >.cache/promtool/dashboard.yml <<'END'
import json
import re

panels = json.load(open("roles/exporter/files/grafana-websockets.json"))["panels"]
expressions = [target["expr"].replace("$capacity", "1") for panel in panels for target in panel["targets"]]
expressions = [re.sub(r"\$\w+", "1m", expression) for expression in expressions]
rules = [{"record": f"of_the_dashboard_{number}", "expr": expr} for number, expr in enumerate(expressions)]
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
END
"$promtool" check rules .cache/promtool/dashboard.yml
