#!/bin/sh
# JupyterLab on copies of the explorer notebook and the course, in the folder work; $1 is the
# environment's bin folder, the rest are JupyterLab's options.
set -eu
bin=$(cd "$1" && pwd)
shift
[ "$(id -u)" -ne 0 ] || set -- --allow-root "$@"
mkdir -p work
cd work
exec "$bin/mssviz" explore --course -- "$@"
