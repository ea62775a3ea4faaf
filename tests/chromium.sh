#!/usr/bin/env bash
# Install the browser that the tests look at the report with, where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(chromium)

if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    tests/apt-install.sh /var/lib/wsfleet-make.packages "${packages[@]}"
fi
