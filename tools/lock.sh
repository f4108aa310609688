#!/bin/sh
# Rewrite requirements.lock from pyproject.toml: exact versions with hashes, no host named.
set -eu
cd "$(dirname "$0")/.."
exec uv pip compile pyproject.toml --group build --group test --group lint \
    --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-annotate --quiet --output-file requirements.lock "$@"
