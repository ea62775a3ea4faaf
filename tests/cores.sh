#!/usr/bin/env bash
# Install each ansible-core of tests/cores.txt in an environment of its own, .cache/cores/VERSION, if a Python for it is
# here. Those that have none are named.
set -euo pipefail
cd "$(dirname "$0")/.."

# pyenv's shims stand for interpreters that do not start unless they are selected.
path=$PATH
if command -v pyenv >/dev/null; then
    for interpreters in "$(pyenv root)"/versions/*/bin; do path=$path:$interpreters; done
    path=$(printf '%s' "$path" | tr : '\n' | grep -v '/shims$' | paste -sd :)
fi

interpreter() {
    for version in "$@"; do
        if PATH=$path "python$version" -c 'import ensurepip, venv' 2>/dev/null; then
            PATH=$path command -v "python$version"
            return
        fi
    done
}

mkdir -p .cache/cores
# Scenarios and stages that start at the same time install each core once.
exec 9>.cache/cores/lock
flock 9
grep -v '^#' tests/cores.txt | while read -r core pythons; do
    environment=.cache/cores/$core
    # shellcheck disable=SC2086  # They are words.
    python=$(interpreter $pythons)
    if [ -z "$python" ]; then
        rm -rf "$environment"
        echo "ansible-core $core: skipped, no Python ${pythons// /, } with ensurepip"
    elif ! [ -e "$environment/complete" ] || ! [ -e "$environment/bin/crossplane" ]; then
        rm -rf "$environment"
        "$python" -m venv "$environment"
        # The playbook import takes crossplane.
        "$environment/bin/pip" install --quiet --disable-pip-version-check \
            "ansible-core==$core" "$(grep '^crossplane==' requirements-test.txt)"
        touch "$environment/complete"
    fi
done
