#!/usr/bin/env bash
# Let both maintained forks of gixy read every configuration that this repository can render.
set -euo pipefail
cd "$(dirname "$0")/.."

# Both bring a module of the same name, so each has an environment of its own.
for fork in gixy-ng gixy-next; do
    environment=.cache/$fork
    if ! cmp --silent "tests/gixy/$fork.txt" "$environment/requirements.txt"; then
        rm -rf "$environment"
        .venv/bin/python -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check -r "tests/gixy/$fork.txt"
        cp "tests/gixy/$fork.txt" "$environment/requirements.txt"
    fi
done

.venv/bin/python tests/gixy/check.py
