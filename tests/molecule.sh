#!/usr/bin/env bash
# Run Molecule scenarios, three at a time: molecule.sh [SCENARIO...]. Without names, all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=.cache/molecule

tests/podman.sh
scenarios=("$@")
if [ $# = 0 ]; then
    # Those that take longest first, so that none of them is left alone at the end.
    scenarios=(transaction lifetimes applications neighbours cores sticky_websockets every_key exporter fleet invalid_input killed)
    for file in molecule/*/molecule.yml; do
        name=$(basename "$(dirname "$file")")
        [[ " ${scenarios[*]} " == *" $name "* ]] || scenarios+=("$name")
    done
fi
if [[ " ${scenarios[*]} " == *" applications "* ]]; then
    tests/applications.sh
fi
if [[ " ${scenarios[*]} " == *" cores "* ]]; then
    tests/cores.sh
fi
rm -rf "$logs"
mkdir -p "$logs"

run() {
    start=$SECONDS
    if MOLECULE_GLOB='molecule/*/molecule.yml' .venv/bin/molecule test --scenario-name "$1" >"$logs/$1.log" 2>&1; then
        echo "molecule $1: passed in $((SECONDS - start)) s"
        grep -E '^=+ .*(passed|failed).* =+$|^SKIPPED ' "$logs/$1.log" || true
    else
        cat "$logs/$1.log"
        echo "molecule $1: FAILED in $((SECONDS - start)) s"
        return 1
    fi
}
export -f run
# Molecule's output is read as a log, not on a terminal.
export MOLECULE_COMMAND_BORDERS=0 NO_COLOR=1 ANSIBLE_FORCE_COLOR=0
export logs PATH=$PWD/.venv/bin:$PATH
printf '%s\n' "${scenarios[@]}" | xargs --max-procs=3 --replace bash -c 'run {}'
