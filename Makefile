# Everything goes through here; CI calls these same targets.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help serve test lint format openapi openapi-check protos clients demo bench bench-quick bench-decode bench-policy bench-apis bench-scaling bench-nodes bench-step bench-explain bench-metrics bench-score dashboards dashboard metrics-test pipeline-test fuzz chaos soak cluster-test gpu-test image-check

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

.venv/bin/vitrine: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .[openvino]
	@touch $@

.venv/dev: .venv/bin/vitrine
	$(BIN)/pip install --quiet --constraint constraints.txt pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .[quantize,heif,otel,train] --group dev
	@touch $@

.venv/triton: .venv/dev tests/support/requirements-triton.txt
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/pip install --quiet --requirement tests/support/requirements-triton.txt
	@touch $@

.venv/s3: .venv/dev tests/support/requirements-s3.txt
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/pip install --quiet --requirement tests/support/requirements-s3.txt
	@touch $@

serve: .venv/bin/vitrine ## Install once and serve the bundled model on 127.0.0.1:8000
	@exec $(BIN)/vitrine serve

test: .venv/dev .venv/triton ## Install once and run all tests in two processes
	$(BIN)/python -m pytest -n 2 --ignore tests/cluster --ignore tests/gpu --ignore tests/metrics --ignore tests/pipeline

cluster-test: .venv/dev ## Drain, kill, cut off and update real nodes, in network namespaces (root)
	$(BIN)/python -m pytest -v --durations=10 tests/cluster

pipeline-test: .venv/dev .venv/s3 ## Tune, serve, score and evaluate with a real Ray Train and Ray Data
	$(BIN)/python -m pytest -v --durations=10 tests/pipeline

gpu-test: .venv/dev ## Test the engine of the GPU, on a machine that has one
	$(BIN)/python -m pytest tests/gpu

fuzz: .venv/dev ## Send 10,000 damaged images, bombs and slow uploads to a service of its own
	$(BIN)/python -m tests.fuzz

soak: .venv/dev ## Send 100,000 mixed requests to a service of its own and watch its processes
	$(BIN)/python -m bench.soak

lint: .venv/dev ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev ## Put the code in its standard format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: .venv/bin/vitrine ## Rewrite openapi/openapi.json
	$(BIN)/vitrine openapi > openapi/openapi.json

openapi-check: .venv/bin/vitrine ## Fail when openapi/openapi.json is out of date
	$(BIN)/vitrine openapi | diff openapi/openapi.json -

protos: .venv/dev ## Generate the gRPC messages and stubs in schemas/rpc/
	$(BIN)/python -m grpc_tools.protoc -I. -I$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') --python_out=. --pyi_out=. --grpc_python_out=. schemas/rpc/classifier.proto schemas/rpc/inference.proto

clients: .venv/dev ## Generate the Python and TypeScript clients into openapi/clients/ (needs Node 20)
	$(BIN)/openapi-python-client generate --path openapi/openapi.json --config openapi/python/config.yaml --output-path openapi/clients/python --overwrite
	cd openapi/typescript && npm install --no-package-lock --silent && npm run --silent generate

demo: .venv/dev ## Train the bundled checkpoint anew
	$(BIN)/python -m tools.train_digits

bench: .venv/dev ## Compare with LitServe and plain FastAPI in one run of an hour (needs wrk)
	$(BIN)/python -m bench

bench-quick: .venv/dev ## Its smallest cell
	$(BIN)/python -m bench --quick

bench-decode: .venv/dev ## Compare scaled and exact decoding of large JPEGs
	$(BIN)/python -m bench.studies.decode

bench-policy: .venv/dev ## Compare batch policies on a simulated GPU, and scale it
	$(BIN)/python -m bench.studies.policy

bench-apis: .venv/dev ## Compare the ways to send an image (needs h2load)
	$(BIN)/python -m bench.studies.apis

bench-scaling: .venv/dev ## Plan a cluster, simulate it, and measure what its fronts pay
	$(BIN)/python -m bench.studies.scaling

image-check: .venv/dev ## Run the steps of deploy/Dockerfile in a clean folder and ask what they build (IMAGE_ARGS)
	$(BIN)/python -m tools.check_image $(IMAGE_ARGS)

bench-nodes: .venv/dev ## Compare serve deploy with vitrine serve, and two nodes with one (root, wrk)
	$(BIN)/python -m bench.studies.nodes

bench-step: .venv/dev ## Send eight times the load to simulated GPUs that scale
	$(BIN)/python -m bench.studies.load_step

bench-explain: .venv/dev ## Judge where maps say that a model looked, and what they cost
	$(BIN)/python -m bench.studies.explain

bench-metrics: .venv/dev ## Count 100,000 requests on both sides, kill replicas, and time scrapes (METRICS_ARGS)
	$(BIN)/python -m bench.studies.metrics $(METRICS_ARGS)

bench-score: .venv/dev ## Compare vitrine score with other ways to score a folder, and watch its memory (SCORE_ARGS)
	$(BIN)/python -m bench.studies.score $(SCORE_ARGS)

dashboards: .venv/dev ## Rewrite deploy/grafana/ from tools/dashboards/
	$(BIN)/python -m tools.dashboards

dashboard: .venv/dev ## Start Prometheus, and Grafana if installed, against the service on 127.0.0.1:8000
	@exec $(BIN)/python -m tools.dashboards.start

metrics-test: .venv/dev ## Ask a real Prometheus every query of the dashboards, and test the alerts (prometheus)
	$(BIN)/python -m pytest -v tests/metrics

chaos: .venv/dev ## Overload, kill, disconnect from and stop real services; see docs/reliability.md
	$(BIN)/python -m bench.chaos
