#!/bin/sh
# Install Debian packages and add the names of those that were missing to a record: apt-install.sh RECORD PACKAGE...
set -eu
record=$1
shift
if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are needed: $*. Install them, or run this as root." >&2
    exit 1
fi
installed() { dpkg-query --show --showformat '${Package}\n' | sort; }
before=$(mktemp)
installed >"$before"
apt-get update --quiet
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$@"
installed | comm -13 "$before" - >>"$record"
rm "$before"
