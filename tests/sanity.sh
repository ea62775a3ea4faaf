#!/usr/bin/env bash
# Run ansible-test sanity on the files of this checkout, in the directory layout that it insists on.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
# Outside the checkout, where ansible-test would find that git ignores its files.
temporary=$(mktemp --directory)
trap 'rm -rf "$temporary"' EXIT
tree=$temporary/ansible_collections/wsfleet/nginx
tests/export.sh "$tree"

# ansible-test downloads this script to bootstrap pip in its environments; every Python brings the same with ensurepip.
cache=$HOME/.ansible/test/cache
mkdir -p "$cache"
if [ ! -e "$cache/get_pip_24_2.py" ]; then
    cat >"$cache/get_pip_24_2.py" <<'PYTHON'
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "pip==24.2", "setuptools", "wheel"])
PYTHON
fi

# pyenv's shims stand for interpreters that do not start unless they are selected; ansible-test needs the real ones.
if command -v pyenv >/dev/null; then
    for interpreters in "$(pyenv root)"/versions/*/bin; do PATH=$PATH:$interpreters; done
    PATH=$(printf '%s' "$PATH" | tr : '\n' | grep -v '/shims$' | paste -sd :)
fi

cd "$tree"
PATH=$bin:$PATH ansible-test sanity --requirements --color no
