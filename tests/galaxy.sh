#!/usr/bin/env bash
# Have Galaxy's importer read the built collection, as it does on an upload, and fail for a warning of it too.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
temporary=$(mktemp --directory)
trap 'rm -rf "$temporary"' EXIT

"$bin/ansible-galaxy" collection build --output-path "$temporary" >"$temporary/build"
cd "$temporary"
# It runs the programs of the PATH, and writes its result where it stands.
PATH=$bin:$PATH GALAXY_IMPORTER_ANSIBLE_LOCAL_TMP=$temporary/ansible \
    "$bin/python" -m galaxy_importer.main wsfleet-nginx-*.tar.gz >log 2>&1 || { cat log; exit 1; }
if grep -E '^(WARNING|ERROR|CRITICAL)' log; then
    exit 1
fi
