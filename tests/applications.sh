#!/usr/bin/env bash
# Install what the scenario of that name needs beside containers: a browser, and npm for its applications.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/chromium.sh
if ! command -v npm >/dev/null; then
    tests/apt-install.sh /var/lib/wsfleet-make.packages npm
fi
