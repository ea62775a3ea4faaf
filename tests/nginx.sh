#!/usr/bin/env bash
# Have an nginx for the unit tests that need a real one: its binary alone, unpacked, so that none is installed or runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v nginx >/dev/null && ! [ -x .cache/nginx/usr/sbin/nginx ]; then
    temporary=$(mktemp --directory)
    trap 'rm -rf "$temporary"' EXIT
    # As another user than root, apt would have to be allowed into the directory.
    (cd "$temporary" && apt-get download --quiet --option APT::Sandbox::User=root nginx)
    mkdir -p .cache
    dpkg-deb --extract "$temporary"/nginx_*.deb .cache/nginx
fi
