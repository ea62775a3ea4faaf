# make site: deploy both example gateways to this machine. make test: everything CI runs. make clean: undo it all.

PYTHON ?= python3
BIN := .venv/bin
PLAYBOOK := $(BIN)/ansible-playbook -i inventories/local playbooks/site.yml
# What `make` itself had to install, for `make clean` to take away.
PACKAGES := /var/lib/wsfleet-make.packages

.DEFAULT_GOAL := help
.PHONY: help root site test lint docs sanity unit molecule build publish bench clean

help:
	@sed -n '1s/^# //p' Makefile

root:
	@test "$$(id -u)" = 0 || { echo "make site installs nginx on this machine: run it as root" >&2; exit 1; }

site: root .venv/site
	@test -e /usr/lib/python3/dist-packages/apt || tests/apt-install.sh $(PACKAGES) python3-apt
	$(PLAYBOOK)

test: .venv/test
	tests/stages.sh lint+sanity unit molecule build

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p ansible_collections.wsfleet.nginx.plugins
	$(BIN)/mypy extensions tests molecule roles/echo_backend/files
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline
	$(BIN)/antsibull-changelog lint
	$(BIN)/python tests/generate.py --check
	tests/doc_references.sh
	tests/docs.sh
	tests/galaxy.sh
	tests/gixy.sh
	tests/promtool.sh
	$(BIN)/reuse lint --quiet
	$(BIN)/zizmor --offline --quiet .github

docs: .venv/test
	$(BIN)/python tests/generate.py
	tests/docs.sh

sanity: .venv/test
	tests/sanity.sh

# make unit CORE=2.21: with that ansible-core of tests/cores.txt instead of the one of requirements.txt.
unit: .venv/test
	$(if $(CORE),$(BIN)/pip install --quiet --no-deps "ansible-core==$$(grep -o '^$(CORE)[.0-9]*' tests/cores.txt)")
	tests/chromium.sh
	tests/nginx.sh
	tests/blackbox.sh
	tests/rulebook.sh
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup tests/unit

molecule: .venv/test
	tests/molecule.sh

build: export ANSIBLE_COLLECTIONS_PATH := .cache/built
build: .venv/test
	rm -rf .cache/built
	$(BIN)/ansible-galaxy collection build --output-path .cache/built
	$(BIN)/ansible-galaxy collection install --offline --collections-path .cache/built .cache/built/*.tar.gz
	$(BIN)/ansible-playbook -i inventories/local wsfleet.nginx.site --syntax-check
	$(BIN)/ansible-builder create --context .cache/built/image
	test -e .cache/built/image/_build/collections/wsfleet-nginx-*.tar.gz

# make publish TAG=v1.2.3: what the workflow of a release calls. ansible-galaxy reads the token from its settings.
publish:
	@test "$(TAG)" = "v$$(sed -n 's/^version: //p' galaxy.yml)" || { echo "galaxy.yml has another version than TAG=$(TAG)" >&2; exit 1; }
	$(MAKE) build
	$(BIN)/ansible-galaxy collection publish .cache/built/*.tar.gz

bench: .venv/bench
	$(BIN)/python tests/bench/model.py
	tests/podman.sh
	$(BIN)/python tests/bench/unchanged.py
	$(BIN)/python tests/bench/fleet.py
	$(BIN)/python tests/bench/data_path.py
	$(BIN)/python tests/bench/reloads.py
	$(BIN)/python tests/bench/prober.py

clean:
	@if [ -e /etc/nginx/conf.d/00-websockets.conf ] || ls -d /usr/local/lib/echo-backend-* >/dev/null 2>&1; then \
		$(MAKE) .venv/site && $(PLAYBOOK) -e websockets_state=absent -e echo_backend_state=absent; \
	fi
	@if command -v podman >/dev/null; then \
		podman images --quiet localhost/wsfleet-molecule | sort --unique | xargs --no-run-if-empty podman rmi; \
	fi
	rm -rf .venv .cache .hypothesis
	@if [ -e $(PACKAGES) ]; then xargs dpkg --purge <$(PACKAGES); rm $(PACKAGES); fi

# Debian's Python comes without the means to make a virtual environment.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "ansible-core needs Python 3.11 or later: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/apt-install.sh $(PACKAGES) python3-venv
	$(PYTHON) -m venv .venv
	mkdir -p .venv/collections/ansible_collections/wsfleet
	ln -s ../../../.. .venv/collections/ansible_collections/wsfleet/nginx

.venv/site: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/test: requirements-test.txt requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

.venv/bench: requirements-bench.txt | .venv/test
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@
