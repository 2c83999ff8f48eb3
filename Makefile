# `make demo` and `make test` do all the set-up themselves. Downloads and build products go to one cache folder
# (scripts/cache-dir), so that a fresh clone builds in a minute or two.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE := $(shell scripts/cache-dir)
export CARGO_TARGET_DIR := $(CACHE)/target
export LIBTORCH := $(CACHE)/libtorch-2.11.0/torch
# Without these, libgomp's threads spin while they wait and two of them are ten times slower than one.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0
PYTHON := $(CACHE)/python/bin/python3

.PHONY: help setup kube cluster-up cluster-down kubectl build install images demo test test-core e2e e2e-kueue lint fmt generate site base-model datasets bench bench-operator bench-sweep gpu-check paper-smoke clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | column -t -s $$'\t'

setup: ## fetch what a build needs: compilers, private Python, libtorch
	@scripts/setup-system
	@scripts/setup-python >/dev/null
	@scripts/fetch-libtorch >/dev/null
	@scripts/claim-target

kube: ## build the real API server, etcd, kubectl and helm that tests use (once, some minutes)
	@scripts/setup-system
	@scripts/build-kube >/dev/null

cluster-up: ## start a Kubernetes cluster of one node on this machine (root); prints its KUBECONFIG
	@scripts/setup-system
	@scripts/setup-node
	@scripts/build-kube --node >/dev/null
	@scripts/claim-target
	cargo build --locked --workspace --bin real-cluster
	@$(CARGO_TARGET_DIR)/debug/real-cluster up $$(scripts/pause-image)

cluster-down: ## end that cluster, and remove everything that is left of it
	@cargo build --quiet --locked --workspace --bin real-cluster
	@$(CARGO_TARGET_DIR)/debug/real-cluster down

kubectl: ## run kubectl on that cluster: make kubectl ARGS="get pods -A"
	@$(CARGO_TARGET_DIR)/debug/real-cluster kubectl $(ARGS)

build: setup ## optimised programs in bin/
	scripts/build-programs

PREFIX ?= /usr/local
install: build ## programs, completions and manual pages into PREFIX (/usr/local)
	scripts/install-programs "$(PREFIX)"

images: setup ## container images in dist/images, made without a container engine; push=REGISTRY/PREFIX pushes them (docs/images.md)
	scripts/build-images
	$(if $(push),scripts/push-images "$(push)")

demo: build ## train the quickstart policy on real rewards (about two minutes)
	bin/real run --fresh examples/quickstart.yaml

test: setup kube ## build and run all tests
	@scripts/setup-s3 >/dev/null
	cargo build --locked --workspace --bins
	scripts/run-tests --workspace

test-core: kube ## tests of everything but the trainer: no libtorch needed
	@scripts/claim-target
	@scripts/setup-python >/dev/null
	@scripts/setup-s3 >/dev/null
	cargo build --locked --bins
	scripts/run-tests

e2e: setup ## images, a cluster, the chart, and the quickstart on it (root; minutes)
	scripts/e2e

e2e-kueue: kube ## jobs in queues of the real Kueue, on simulated nodes (builds Kueue first, some minutes; then one)
	@scripts/build-kube --node >/dev/null
	@scripts/build-kueue >/dev/null
	@scripts/claim-target
	cargo test --locked -p real-operator --test kueue -- --ignored --test-threads 3

lint: setup ## formatting, licences, spelling, Python, and clippy (quick=1: without clippy)
	@scripts/setup-lint >/dev/null
	cargo fmt --all --check
	scripts/check-licences
	scripts/check-containerfiles
	$(CACHE)/lint/bin/ruff check .
	$(CACHE)/lint/bin/typos
	$(if $(quick),,cargo clippy --locked --workspace --all-targets -- -D warnings)

fmt: ## format Rust
	cargo fmt --all

generate: setup ## rewrite generated files: CRDs, API docs, the chart's copies
	cargo build --locked --workspace --bins
	$(CARGO_TARGET_DIR)/debug/real-crds
	$(CARGO_TARGET_DIR)/debug/real-detector rules --pages docs/rules
	REAL_UPDATE=1 cargo test --locked --workspace --test chart_files --test chart_rbac --test manual --test site
	REAL_UPDATE=1 cargo test --locked --workspace --test pages the_page_of

datasets: build ## build the quickstart's tasks anew, each confirmed by the sandbox
	bin/real datasets build --out datasets/bundled/quickstart-train.jsonl.gz --form short --split train --count 2000 --seed 1
	bin/real datasets build --out datasets/bundled/quickstart-eval.jsonl.gz --form short --split eval --count 256 --seed 1
	bin/real datasets tokenizer --out trainer-image/models/quickstart-base

site: ## the pages as a site in dist/site (builds mdBook first, some minutes)
	scripts/build-site

base-model: build ## train the quickstart's base policy and write its weights into the tree
	scripts/make-base-model

bench: build ## our figures beside the peers', as ratios
	scripts/bench

bench-operator: setup ## 200 and 1,000 training jobs beside bare Jobs, on simulated nodes; the operator as images have it
	scripts/build-programs real-operator
	@scripts/build-kube --node >/dev/null
	cargo run --locked -p real-tests --example bench_operator -- dist/programs/real-operator

bench-sweep: setup ## one sweep of 500 and of 5,000 cells beside bare Jobs, on simulated nodes
	scripts/build-programs real-operator
	@scripts/build-kube --node >/dev/null
	cargo run --locked -p real-tests --example bench_operator -- dist/programs/real-operator --cells

paper-smoke: build ## two real steps of the paper's SafeSQL job with its 0.5B model on the CPU (MODEL=, DATA=)
	scripts/paper-smoke

gpu-check: build ## bundle the checks for a GPU in dist/gpu-check, and run them where there is one (docs/gpu.md)
	scripts/gpu-check bundle dist/gpu-check
	@if command -v nvidia-smi >/dev/null; then dist/gpu-check/gpu-check run; \
	else echo "no GPU here: copy dist/gpu-check to a machine that has one and run ./gpu-check run there"; fi

clean: ## remove bin/, dist/ and runs/ (the cache stays)
	rm -rf bin dist runs
