#!/bin/sh
# Rewrite the locks from pyproject.toml: exact versions with hashes, no host named. requirements.lock
# has all packages, requirements-run.lock those that run and build mssviz, in the same versions.
set -eu
cd "$(dirname "$0")/.."

lock() {
    uv pip compile pyproject.toml --group build \
        --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-annotate --quiet "$@"
}

lock --group test --group docs --group lint --output-file requirements.lock "$@"
lock --constraint requirements.lock --output-file requirements-run.lock
