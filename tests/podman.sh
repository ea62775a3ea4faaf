#!/usr/bin/env bash
# Install what the containers of the tests need, where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(podman runc mmdebstrap netavark aardvark-dns iproute2 iptables openssh-client)

if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    tests/apt-install.sh /var/lib/wsfleet-make.packages "${packages[@]}"
fi
