#!/usr/bin/env bash
# Have ansible-rulebook for the unit tests, in an environment of its own, and the Java that it runs in.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v java >/dev/null || tests/apt-install.sh /var/lib/wsfleet-make.packages default-jdk-headless
if ! [ -e .cache/rulebook/complete ]; then
    rm -rf .cache/rulebook
    .venv/bin/python -m venv .cache/rulebook
    .cache/rulebook/bin/pip install --quiet --disable-pip-version-check \
        --requirement requirements.txt 'ansible-rulebook==1.3.2'
    touch .cache/rulebook/complete
fi
