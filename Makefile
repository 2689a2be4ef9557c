# Each target does its own set-up. Needs python3 (3.11 or newer) and make.
PYTHON ?= python3
BIN := .venv/bin
export VAR_DIR ?= var
export PYTHONUNBUFFERED = 1
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# The locks are complete. Asked for dependencies, a pip before 23.3 takes coverage[toml] for a name that is not in them.
new_enough = $(1) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || \
  { echo "Kartra Mirror needs Python 3.11 or newer; $(1) is $$($(1) --version 2>&1 | tail -n 1). Name another one, as in: make PYTHON=python3.11 …" >&2; exit 1; }
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --no-strip-extras --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --quiet

.PHONY: run env test coverage lint chaos drill bench bench-data bench-smoke screens references audit image-check lock clean

.venv: .venv/.runtime

.venv/.runtime: requirements.lock
	@$(call new_enough,$(PYTHON))
	@test -x $(BIN)/python || { echo "Making .venv …"; $(PYTHON) -m venv .venv; }
	@$(call new_enough,$(BIN)/python)
	@echo "Installing what the project needs …"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) check
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing what tests and checks need …"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) check
	@touch $@

# On a database of its own; it refuses one of a real installation, and changes nothing there.
run: .venv/.runtime
	@$(BIN)/python manage.py demo --prepare
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/honcho --no-colour --no-prefix --procfile Procfile.demo start

# A filled .env for a real installation, with new keys: make env HOST=mirror.example.com MAIL=you@example.com. Writes over nothing.
env:
	@$(PYTHON) deploy/make_env.py --host "$(HOST)" --mail "$(MAIL)"

# In several processes (tests/environment.py says how many); ARGS="-n 0 …" for one.
test: .venv/.dev
	@$(BIN)/python -m pytest -n auto --dist worksteal --max-worker-restart 0 -rs $(ARGS)

# The same with the lines that no test reaches counted, which takes longer.
coverage: .venv/.dev
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report=term $(ARGS)"

lint: .venv/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/djlint templates --lint --quiet
	@EMBEDDED=1 VAR_DIR=$(VAR_DIR) $(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" EMBEDDED=1 $(BIN)/lint-imports
	@EMBEDDED=1 $(BIN)/python manage.py makemigrations --check --dry-run
	@env -u EMBEDDED -u DEBUG SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
	  DIGEST_KEYS=check FIELD_ENCRYPTION_KEYS="$$($(BIN)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
	  ALLOWED_HOSTS=mirror.example.com PUBLIC_URL=https://mirror.example.com \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

# Everything measured beside its yardstick, on PostgreSQL (DATABASE_URL; default: loopback) with SIZE leads; ONLY="bulk pages" for some.
BENCHES ?= $(or $(ONLY),rate_limit file_broker files receive push bulk pages load)
bench: .venv/.dev bench-data
	@for each in $(BENCHES); do echo "== $$each"; env -u ONLY $(BIN)/python benchmarks/$$each.py || exit 1; done

# The leads that the benchmarks look at, built once and cloned by each: SIZE=1000000.
bench-data: .venv/.dev
	@$(BIN)/python benchmarks/database.py

# Pictures for docs/screens/, from a demo of their own.
screens: .venv/.dev
	@EMBEDDED=1 $(BIN)/python -m tests.browser.screens

# docs/settings.md and docs/commands.md, from .env.example and the commands.
references: .venv/.dev
	@env -i PATH="$$PATH" EMBEDDED=1 VAR_DIR=$(VAR_DIR) COLUMNS=100 DJANGO_SETTINGS_MODULE=kartra_mirror.settings $(BIN)/python docs/references.py

# Known weaknesses of what we depend on, where the service that knows them can be reached.
audit: .venv/.dev
	@$(BIN)/python .ci/audit.py

# Random wishes, faults and kills against the Kartra sandbox: prints its seed; about 20 minutes. SEED=… repeats one.
chaos: .venv/.dev
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

# A whole installation on servers of its own, and each trouble of operation once: about half an hour; ONLY=redis for one.
drill: .venv/.dev
	@$(BIN)/python -m tests.drill $(if $(ONLY),--only $(ONLY))

# The Dockerfile's steps without Docker, up to a web process that is ready; as root, needs PostgreSQL and Redis on this machine.
image-check: .venv/.dev
	@$(BIN)/python deploy/image_check.py

# How many queries each unit of work takes, and which plans PostgreSQL makes for the pages; no seconds. `make test` has them too.
bench-smoke: .venv/.dev
	@$(BIN)/python -m pytest -q -n auto tests/kartra_mirror/ui/test_plans.py tests/test_sql.py $(ARGS)

# Locks carry hashes, extras and no addresses; requirements.edges says who asks for what. Run after a change of the dependencies.
lock: .venv/.dev
	@$(LOCK) pyproject.toml --output-file requirements.lock
	@$(LOCK) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(BIN)/python .ci/edges.py $(BIN)/uv > requirements.edges.new && mv requirements.edges.new requirements.edges

clean:
	@rm -rf .venv .audit var staticfiles
