#!/usr/bin/env bash
# Build the documentation's site in .cache/site/html. It needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
site=.cache/site
rm -rf "$site"
# antsibull-docs wants a directory that others cannot write to.
(umask 022 && mkdir -p "$site/source/reference")

# The pages keep their places, for their links to each other hold then.
cp --parents ./*.md docs/*.md docs/*.svg molecule/README.md roles/*/README.md "$site/source"
cp docs/docsite/index.md "$site/source"
PATH=$PWD/.venv/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/.venv/collections antsibull-docs \
    collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$site/source/reference" wsfleet.nginx
.venv/bin/sphinx-build --conf-dir docs/docsite --fail-on-warning --keep-going --quiet "$site/source" "$site/html"
