#!/usr/bin/env bash
# Check the markup of all documentation, and what it refers to. With an ansible-core of its own, it reads this collection
# alone; with that of .venv it would read all of the bundle of collections, for minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/cores.sh
newest=$(printf '%s\n' "$PWD"/.cache/cores/*/bin | sort --version-sort | tail -n 1)
check() {
    PATH=$newest:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/.venv/collections \
        .venv/bin/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all . 2>&1
}
if ! found=$(check); then
    # Its temporary directory is in its pages, and a name that ends with an underscore is a reference there.
    grep -q 'Unknown target name: "antsibull-docs-' <<<"$found" && exec "$0"
    echo "$found"
    exit 1
fi
