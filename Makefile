.DEFAULT_GOAL := help
SHELL := bash
PYTHON := .venv/bin/python
DEMO ?= live
E2E ?= core
PREVIEW ?= live
IMAGE ?= galera-exporter:dev
RUNS ?= 1
SECONDS := 180
JOBS ?= 1
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help setup demo test e2e scenarios lint tools unit sim chaos bench soak fuzz lock docs alerts dashboards preview chart image release-check sbom audit clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  E2E_CLUSTER=existing make e2e takes the cluster of KUBECONFIG instead; the images must be on its nodes."
	@echo "  DEMO=tour make demo plays a story of faults and ends; make demo alone runs until Ctrl-C."
	@echo "  PREVIEW=docs make preview refreshes docs/pictures; PREVIEW=http://HOST:PORT draws from a Prometheus that runs."

setup: ## install what the other commands need (Debian packages as root, .venv)
	@.ci/setup

demo: setup ## start 3 etcd, 3 MariaDB Galera nodes, 3 sidecars, Prometheus and Alertmanager on loopback
	@PYTHONPATH=tests $(PYTHON) -m demo $(if $(filter tour,$(DEMO)),--tour)

test: setup lint tools ## lint, types, contracts, and all tests, real servers included
	$(PYTHON) -m pytest -n 3 --dist loadgroup

e2e: ## the chart on a real Kubernetes of three nodes, made on this machine (as root); E2E=full: all scenarios
	@.ci/setup $(if $(filter existing,$(E2E_CLUSTER)),,e2e)
	@PYTHONPATH=tests $(PYTHON) -m e2e $(E2E)

scenarios: setup ## the faults of docs/reliability.md on real servers; writes its tables
	@mkdir -p build
	$(PYTHON) -m pytest -n 2 --dist loadgroup -o junit_duration_report=call --junit-xml=build/scenarios.xml $$(PYTHONPATH=tests $(PYTHON) -m scenarios)
	PYTHONPATH=tests $(PYTHON) -m scenarios build/scenarios.xml

lint: setup ## ruff, mypy, import-linter, shellcheck, actionlint
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache
	shellcheck .ci/setup .ci/run .ci/tools .ci/npm .ci/kind charts/galera/files/*.sh
	@.ci/tools actionlint
	build/tools/actionlint .github/workflows/*.yml

tools: ## build what Debian does not have, from Go modules (a current promtool, helm, actionlint)
	@.ci/tools

unit: setup ## only the tests that start no server
	$(PYTHON) -m pytest -n 2 -m "not servers"

sim: setup ## 20,000 random schedules of faults against the bootstrap protocol
	@PYTHONPATH=tests $(PYTHON) -m sim

chaos: setup ## random faults against the real whole system (as root); RUNS=n SEED=s SECONDS=180 JOBS=1
	@PYTHONPATH=tests $(PYTHON) -m chaos --runs $(RUNS) --seconds $(SECONDS) --jobs $(JOBS) $(if $(SEED),--seed $(SEED))

bench: setup ## measure against prometheus-mysqld-exporter on the same server; into build/bench.json
	@PYTHONPATH=tests $(PYTHON) -m bench

soak: setup ## two hours of scrapes and troubles: does anything grow? MINUTES=n; into build/soak
	@PYTHONPATH=tests $(PYTHON) -m soak $(if $(MINUTES),--minutes $(MINUTES))

docs: setup ## write docs/metrics.md, docs/configuration.md, docs/licences.md, and the chart's README from its values
	$(PYTHON) docs/reference.py
	$(PYTHON) docs/chart.py
	@PYTHONPATH=tests $(PYTHON) -m shipping licences

alerts: setup ## write alerts/prometheus/ and the chart's copy from alerts/*.yaml
	$(PYTHON) alerts/render.py --output alerts/prometheus/galera.rules.yaml
	$(PYTHON) alerts/render.py --format prometheusrule --output alerts/prometheus/prometheusrule.yaml
	rm -f charts/galera/files/alerts/*.yaml
	cp alerts/*.yaml charts/galera/files/alerts/

dashboards: setup ## write dashboards/*.json from dashboards/boards
	@PYTHONPATH=dashboards $(PYTHON) -m boards

preview: setup ## draw the dashboards, healthy and in an outage, into build/preview
	@.ci/npm
ifneq ($(filter http%,$(PREVIEW)),)
	@PYTHONPATH=dashboards $(PYTHON) -m preview --prometheus $(PREVIEW) --pictures light
else
	@PYTHONPATH=dashboards:tests $(PYTHON) -m demo.preview $(if $(filter docs,$(PREVIEW)),--docs)
endif

chart: setup ## copy inhibitions and dashboards into the chart
	cp alerts/alertmanager/inhibition.yaml charts/galera/files/alertmanager/
	rm -rf charts/galera/files/dashboards
	mkdir charts/galera/files/dashboards
	cp dashboards/*.json charts/galera/files/dashboards/

image: ## build the container image with docker, podman or buildah
	@tool=$$(command -v docker || command -v podman || command -v buildah) || { echo "image: install docker, podman or buildah" >&2; exit 2; }; \
	"$$tool" build --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/galera_exporter/__init__.py)" \
	  --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" -t $(IMAGE) .

release-check: setup ## versions agree, wheel and chart build, the wheel installs; TAG=v0.2.0: as for this tag
	@.ci/tools helm
	@PYTHONPATH=tests TAG=$(TAG) $(PYTHON) -m shipping check

sbom: setup ## write build/release/galera-exporter.cdx.json: what the image's Python has in it
	@PYTHONPATH=tests $(PYTHON) -m shipping sbom

audit: setup ## ask PyPI's database for known vulnerabilities of what is in the locks
	.venv/bin/pip-audit --require-hashes --disable-pip -r requirements-image.lock
	.venv/bin/pip-audit --require-hashes --disable-pip -r requirements-dev.lock

fuzz: setup ## give broken input to all that reads what comes from outside; MINUTES=10; into build/fuzz
	@PYTHONPATH=tests $(PYTHON) -m fuzz $(if $(MINUTES),--minutes $(MINUTES))

lock: setup ## resolve the dependencies anew, with hashes
	.venv/bin/uv pip compile -q --upgrade $(LOCK) --extra auth -o requirements.lock pyproject.toml
	.venv/bin/uv pip compile -q --upgrade $(LOCK) --extra auth --extra kubernetes \
	  -c requirements.lock -o requirements-image.lock pyproject.toml
	.venv/bin/uv pip compile -q --upgrade $(LOCK) --extra auth --extra kubernetes --group dev \
	  -c requirements-image.lock -o requirements-dev.lock pyproject.toml

clean: ## remove what was built
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
