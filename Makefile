# Each target does its own set-up. Needs python3 (3.11 or newer) and make.
PYTHON ?= python3
BIN := .venv/bin
export VAR_DIR ?= var
export PYTHONUNBUFFERED = 1
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: run test lint chaos bench bench-smoke screens lock clean

.venv: .venv/.runtime

.venv/.runtime: requirements.lock
	@test -x $(BIN)/python || { echo "Making .venv …"; $(PYTHON) -m venv .venv; }
	@echo "Installing what the project needs …"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing what tests and checks need …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# On a database of its own; it refuses one of a real installation, and changes nothing there.
run: .venv/.runtime
	@$(BIN)/python manage.py demo --prepare
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/honcho --no-colour --no-prefix --procfile Procfile.demo start

# In several processes (tests/environment.py says how many); ARGS="-n 0 …" for one.
test: .venv/.dev
	@$(BIN)/python -m pytest -n auto --dist worksteal --max-worker-restart 0 --cov --cov-report=term -rs $(ARGS)

lint: .venv/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@EMBEDDED=1 VAR_DIR=$(VAR_DIR) $(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" EMBEDDED=1 $(BIN)/lint-imports
	@EMBEDDED=1 $(BIN)/python manage.py makemigrations --check --dry-run
	@env -u EMBEDDED -u DEBUG SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
	  DIGEST_KEY=check FIELD_ENCRYPTION_KEYS="$$($(BIN)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
	  ALLOWED_HOSTS=mirror.example.com PUBLIC_URL=https://mirror.example.com \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: .venv/.dev
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each" || exit 1; done

# Pictures for docs/screens/, from a demo of their own.
screens: .venv/.dev
	@EMBEDDED=1 $(BIN)/python -m tests.browser.screens

# Random wishes, faults and kills against the pretend Kartra: prints its seed; about 15 minutes. SEED=… repeats one.
chaos: .venv/.dev
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

# The speed limit under four pushers for a minute, seen by the pretend Kartra.
bench-smoke: .venv/.dev
	@$(BIN)/python benchmarks/pace.py

# Locks carry hashes and no addresses. Run after a change of the dependencies in pyproject.toml.
lock: .venv/.dev
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links --quiet --constraint requirements.lock --output-file requirements-dev.lock

clean:
	@rm -rf .venv var staticfiles
