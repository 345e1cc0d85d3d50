# `make help` lists the targets. Each target installs what it needs.
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
PYTHON_FOLDERS := sender receiver channel shared semlink training benchmarks deploy tests models
# Python compiles a module when it is first imported, and keeps that; compiling all of them here would take 0.4 GB.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
RPC := shared/rpc/semlink/v1

.PHONY: help setup demo dashboards test test-slow check format proto proto-check bench evaluate train-pocket train-caption lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(VENV)/ready: pyproject.toml constraints.txt requirements-no-deps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: '$(PYTHON)' is not Python 3.11 or newer; name yours: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps --requirement requirements-no-deps.txt
	touch $@

setup: $(VENV)/ready ## Create .venv with pinned versions, for use, tests and training

demo: setup ## Send photographs over a fading link, by Semlink and by HEVC; writes out/demo/grid.png and a table
	$(BIN)/semlink demo --out out/demo

test: setup check proto-check ## Check style, types, layers and contracts, then run the fast tests on two cores
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: setup ## Run the tests that take minutes
	$(BIN)/pytest -m slow

check: setup ## Check with ruff, mypy and import-linter
	$(BIN)/ruff check $(PYTHON_FOLDERS)
	$(BIN)/ruff format --check $(PYTHON_FOLDERS)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format and fix with ruff
	$(BIN)/ruff check --fix $(PYTHON_FOLDERS)
	$(BIN)/ruff format $(PYTHON_FOLDERS)

proto: setup ## Generate the RPC code from proto/
	cd proto && ../$(BIN)/buf lint
	$(call generate,shared/rpc)

proto-check: setup ## Lint the contracts; fail if the generated code is out of date
	cd proto && ../$(BIN)/buf lint
	rm -rf build/rpc && mkdir -p build/rpc
	$(call generate,build/rpc)
	diff -r -x '__pycache__' build/rpc/semlink shared/rpc/semlink

# protoc writes absolute imports of `semlink.v1`; the second step moves them below shared.rpc.
define generate
	$(BIN)/python -m grpc_tools.protoc -Iproto --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
		--plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=$(1) --grpc_python_out=$(1) --mypy_out=$(1) --mypy_grpc_out=$(1) proto/semlink/v1/*.proto
	sed -i -E 's/^(from|import) semlink\.v1/\1 shared.rpc.semlink.v1/' $(1)/semlink/v1/*.py $(1)/semlink/v1/*.pyi
	touch $(1)/semlink/__init__.py $(1)/semlink/v1/__init__.py
endef

bench: setup ## Run the benchmarks that need no pictures (minutes); see benchmarks/README.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.coding.codec_time
	$(BIN)/python -m benchmarks.channel.phy_throughput --threads 1
	$(BIN)/python -m benchmarks.channel.bler --threads 1
	$(BIN)/python -m benchmarks.channel.repair
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.channel.profiles
	$(BIN)/python -m benchmarks.channel.deep_space
	$(BIN)/python -m benchmarks.channel.short_codes
	$(BIN)/python -m benchmarks.channel.waterfall --threads 1
	$(BIN)/python -m benchmarks.system.transfer_memory
	$(BIN)/python -m benchmarks.system.startup
	$(BIN)/python -m benchmarks.decoder.decode_time

evaluate: setup ## Compare codecs on Kodak at the bytes of VVC, and settings of the decoder (an hour)
	$(BIN)/semlink evaluate ../shared/data/kodak --bytes vvc --out out/evaluate --codec \
		"vvc,avif-esrgan,hci,hci@hci,jpeg2000,webp,avif,hevc"
	$(BIN)/semlink evaluate ../shared/data/kodak --bytes q52 --out out/ablations --codec \
		"vvc,avif-esrgan,hci@hci,hci@real-esrgan,hci@pocket:steps=0,hci@pocket:steps=1,hci@pocket:steps=2,hci@pocket:steps=4,hci@pocket:steps=0,fidelity=0,hci@pocket:steps=0,fidelity=1,hci@pocket:drop=HCI,autoencoder"
	$(BIN)/python -m benchmarks.decoder.decoder_defaults
	$(BIN)/python -m benchmarks.decoder.decoder_grid

train-pocket: setup ## Train the stages of the pocket decoder, each for MINUTES in total, and export the weights
	for stage in restorer autoencoder flow finetune fallback; do \
		$(BIN)/python -m training.pocket train $$stage --minutes $(or $(MINUTES),60) \
			$$(test ! -e runs/pocket/$$stage/checkpoint.pt || echo --resume) || exit; done
	$(BIN)/python -m training.pocket export

train-caption: setup ## Write the caption coder's tables, train the captioner for MINUTES, export and measure it
	$(BIN)/python -m training.caption tables
	$(BIN)/python -m training.caption train --minutes $(or $(MINUTES),40)
	$(BIN)/python -m training.caption export
	$(BIN)/python -m benchmarks.coding.caption --search

dashboards: setup ## Write the Grafana dashboards from deploy/grafana/panels.py
	$(BIN)/python -m deploy.grafana.build

lock: setup ## Write constraints.txt from the installed versions
	$(INSTALL) --editable '.[dev,ray]'
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu$$//' | grep -E '^[A-Za-z0-9._-]+==' > constraints.txt

clean: ## Remove everything that the targets make
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
