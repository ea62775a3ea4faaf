#!/usr/bin/env bash
# Run ansible-test sanity on the files of this checkout, in the directory layout that it insists on: all of it with the
# newest ansible-core that a Python is here for, the strictest, and what concerns Python 3.8 with the last one for it.
set -euo pipefail
cd "$(dirname "$0")/.."
tests/cores.sh
bin=$PWD/.venv/bin
newest=$(printf '%s\n' "$PWD"/.cache/cores/*/bin | sort --version-sort | tail -n 1)
last_for_3_8=$(echo "$PWD"/.cache/cores/2.19.*/bin)
# Outside the checkout, where ansible-test would find that git ignores its files.
temporary=$(mktemp --directory)
trap 'rm -rf "$temporary"' EXIT
tree=$temporary/ansible_collections/wsfleet/nginx
tests/export.sh "$tree"
# Inputs of the importer, with their faults.
rm -r "$tree/tests/unit/plugins/plugin_utils/_import/corpus"

# ansible-test downloads this script to bootstrap pip in its environments; every Python brings the same with ensurepip.
cache=$HOME/.ansible/test/cache
mkdir -p "$cache"
for pip in 24.2 25.2; do
    cat >"$cache/get_pip_${pip/./_}.py" <<PYTHON
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "pip==$pip", "setuptools", "wheel"])
PYTHON
done

# pyenv's shims stand for interpreters that do not start unless they are selected; ansible-test needs the real ones.
if command -v pyenv >/dev/null; then
    for interpreters in "$(pyenv root)"/versions/*/bin; do PATH=$PATH:$interpreters; done
    PATH=$(printf '%s' "$PATH" | tr : '\n' | grep -v '/shims$' | paste -sd :)
fi

cd "$tree"
PATH=$newest:$bin:$PATH ansible-test sanity --requirements --color no
if [ -e "$last_for_3_8" ] && command -v python3.8 >/dev/null; then
    PATH=$last_for_3_8:$bin:$PATH \
        ansible-test sanity --requirements --color no --test compile --test import --python 3.8
else
    echo "Sanity on Python 3.8: skipped, no python3.8, or none for the ansible-core that supports it"
fi
