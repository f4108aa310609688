#!/bin/sh
# JupyterLab on the explorer notebook; $1 is the environment's bin folder, the rest are its options.
set -eu
bin=$1
shift
[ "$(id -u)" -ne 0 ] || set -- --allow-root "$@"
exec "$bin/python" -m jupyterlab "$@" notebooks/explorer.ipynb
