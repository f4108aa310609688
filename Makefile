# make explore   set everything up, then JupyterLab on copies of the explorer and the course, in work/
# make app       set everything up, then the explorer as a page of its own
# make test      set everything up, the browser too, then all tests
# make test-quick     what takes less than two minutes of them
# make test-nightly   all tests, with ten times the counts of docs/reliability.md; for hours
# make demo      the main job without a browser: stems, mask picture, score table
# make lint      ruff, types, notebooks without outputs, JavaScript and CSS (needs Node.js)
# make audit     packages of the lock file against the index's advisories, withdrawals and hashes
# make docs      the documentation site, checked, in docs/_build/html
# make bench     speed and memory beside Deezer's own package
# make setup     .venv with pinned packages (implied by all of these)

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
NODE_STAMP := tools/js/node_modules/.ready
PYTEST := $(BIN)/python -m pytest
# a process for each of two cores; both begin with files of their own, whose tests share what was
# expensive to make, and who is done first takes over what the other has yet to do
PARALLEL := -n 2 --dist worksteal
# and within each of them no threads that wait for each other
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup browser explore app test test-quick test-nightly demo docs lint audit bench clean weights

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(VENV)
	@touch $(STAMP)

$(NODE_STAMP): tools/js/package-lock.json tools/js/setup.sh
	@sh tools/js/setup.sh
	@touch $(NODE_STAMP)

weights: $(STAMP)
	@$(BIN)/mssviz models fetch spleeter:2stems

explore: weights
	@sh tools/explore.sh $(BIN) $(JUPYTER_OPTIONS)

app: weights
	@$(BIN)/mssviz app $(APP_OPTIONS)

browser: $(STAMP)
	@sh tools/browser.sh $(BIN)

test: weights browser
	@$(ONE_THREAD) $(PYTEST) $(PARALLEL) --ignore=tests/ui $(PYTEST_OPTIONS)
	@$(ONE_THREAD) $(PYTEST) $(PARALLEL) tests/ui $(PYTEST_OPTIONS) || [ $$? -eq 5 ]  # 5: none was asked for

test-quick: weights
	@$(ONE_THREAD) $(PYTEST) $(PARALLEL) --ignore=tests/ui -m "not slow" $(PYTEST_OPTIONS)

test-nightly:
	@MSSVIZ_NIGHTLY=10 MSSVIZ_SEED=$${MSSVIZ_SEED:-$$(date +%Y%m%d)} $(MAKE) test

demo: weights
	@$(BIN)/python tools/demo.py demo-output

docs: weights
	@$(BIN)/python -m tools.site $(DOCS_OPTIONS)

lint: $(STAMP) $(NODE_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb notebooks/course/*.ipynb
	@tools/js/node_modules/.bin/biome check --error-on-warnings

audit: $(STAMP)
	@$(BIN)/python tools/audit.py

bench: weights
	@$(BIN)/python benchmarks/separate.py $(BENCH_OPTIONS)

clean:
	rm -rf $(VENV) tools/js/node_modules demo-output artifacts docs/_build
