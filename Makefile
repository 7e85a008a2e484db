# Everything is one word. `make` alone lists the words.
.DEFAULT_GOAL := help
.PHONY: help setup sandbox browser sandbox-down demo check test unit real campaign campaign-abuse campaign-crash campaign-chaos campaign-engines campaign-leader campaign-swarm bench lock dist pin-images sbom audit pictures fix clean
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
SANDBOX := examples/sandbox/sandbox
THINKING := watchdog/facts watchdog/judge watchdog/decide watchdog/verify

help: ## List these words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.ready: requirements-dev.lock tests/real/axe.lock pyproject.toml
	@echo "setting up $(VENV): about 10 s"
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock 2> >(grep -v 'is ignored: it is' >&2)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r tests/real/axe.lock 2> >(grep -v 'is ignored: it is' >&2)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . 2> >(grep -v 'is ignored: it is' >&2)
	@touch $@

setup: $(VENV)/.ready ## Make the virtual environment, from hashes

sandbox: ## Have a real engine, registry, Compose v2 and Prometheus
	@$(SANDBOX) up

sandbox-down: ## Remove exactly what `make sandbox` made
	@$(SANDBOX) down

demo: setup sandbox ## Show the main job on real parts, in about three minutes
	@$(SANDBOX) run $(BIN)/watchdog demo

check: setup ## Lint, types, import contracts, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@! grep -n '://' requirements.lock requirements-dev.lock
	$(BIN)/python examples/supply/pin_images.py --check examples/supply/images.env

unit: setup ## Tests that need no engine
	$(BIN)/pytest -q -m "not real and not campaign" -n 3 --dist worksteal

browser: ## Have a Chromium, for the tests of the page
	@$(SANDBOX) browser

real: setup sandbox browser ## Tests on the real engine, registry, Compose and Prometheus: about 14 minutes
	$(SANDBOX) run $(BIN)/pytest -q -m "real and not campaign" -n 4 --dist worksteal

test: check sandbox unit real ## Everything that CI runs; the sandbox first: unit tests use its promtool and ssh-keygen

campaign: setup sandbox ## What takes long: the slow tests, every Prometheus, how often a trigger is wrong
	THOROUGH=10 $(BIN)/pytest -q -n 2 tests/notify/test_one_verdict.py tests/abuse/test_state_machine.py tests/observe/test_damage.py tests/judge/test_breach.py
	$(SANDBOX) run $(BIN)/pytest -q -m campaign -n 2
	TRIGGERS=40 PROMETHEUS_BINARIES="$$(dirname "$$(command -v prometheus)"):$$(examples/sandbox/modern-prometheus)" \
	  $(BIN)/pytest -q -m real tests/real/test_queries.py tests/real/test_edges.py tests/real/test_arming.py tests/real/test_differential.py tests/real/test_backtest.py
	$(BIN)/python -m bench.confidence --jobs 2

campaign-engines: setup ## Fidelity, end to end and crashes on three engines, and a table
	$(BIN)/python -m tests.engines

SECONDS := 120
campaign-abuse: setup ## Try the verifier and the HTTP door at random for SECONDS, and count
	$(BIN)/python -m tests.abuse.campaign --seconds $(SECONDS)

KILLS := 200
campaign-crash: setup sandbox ## Kill the watchdog at every step, in every request and at KILLS random instants
	$(SANDBOX) run $(BIN)/python -m tests.crash.campaign --kills $(KILLS)

ROUNDS := 20
SEED :=
campaign-chaos: setup sandbox ## Let people, engines, disks and a second watchdog at it for ROUNDS each, from outside; SEED=N plays the same again
	$(SANDBOX) run $(BIN)/python -m tests.chaos.campaign --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

campaign-leader: setup sandbox ## Kill, pause and cut off whole watchdogs, their PostgreSQL and their managers in mid-rollback for ROUNDS, and count; then the journal alone
	$(SANDBOX) run $(BIN)/python -u -m tests.leader.campaign --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.record.campaign --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

campaign-swarm: setup sandbox ## Fail managers, workers, quorum and people of a real swarm of four engines in mid-rollback for ROUNDS, and count
	$(SANDBOX) run $(BIN)/python -u -m tests.swarm.campaign --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

RELEASES := 60
bench: setup sandbox ## Figures, each as a ratio in one run where it is time; RELEASES=500 takes an hour
	$(BIN)/python bench/backtest.py
	$(BIN)/python -m bench.turn
	$(SANDBOX) run $(BIN)/python -m bench.failover
	$(BIN)/python -m bench.many_services
	$(BIN)/python bench/years.py
	$(BIN)/python bench/years.py --releases 500
	$(SANDBOX) run $(BIN)/python bench/scale.py
	$(SANDBOX) run $(BIN)/python -m bench.releases --count $(RELEASES)
	$(SANDBOX) run $(BIN)/python -m bench.referee
	$(SANDBOX) run $(BIN)/python -m bench.board
	$(SANDBOX) run $(BIN)/python bench/rollback.py
	$(SANDBOX) run $(BIN)/python -m bench.swarm

lock: ## Resolve the dependencies again
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -o requirements-dev.lock

dist: setup ## Write dist/: an sdist and, made from it, a wheel
	@$(BIN)/python examples/supply/dist.py dist

pin-images: setup ## Ask the registry which digests the images of examples/supply/images.env have now
	$(BIN)/python examples/supply/pin_images.py examples/supply/images.env

IMAGE :=
sbom: setup ## Write sbom.cdx.json, a CycloneDX list of what the image holds; IMAGE=name for its Debian packages too
	$(BIN)/python examples/supply/sbom.py requirements.lock sbom.cdx.json --version $$($(BIN)/python -c 'import watchdog; print(watchdog.__version__)') $(if $(IMAGE),--image $(IMAGE))

audit: setup ## Ask whether a locked package has a known vulnerability: 0 none, 1 known, 3 could not be asked
	@$(BIN)/python examples/supply/audit.py requirements.lock --auditor "$(BIN)/uv tool run -q --from pip-audit==2.10.1 pip-audit"

pictures: setup sandbox browser ## Take the README's pictures anew, from a real run: about seven minutes
	@$(SANDBOX) run $(BIN)/python examples/pictures/take.py

fix: setup ## Let ruff mend what it can
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean: ## Remove what was made here
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
