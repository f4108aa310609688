#!/bin/sh
# Make the virtual environment in $1: pinned packages, checked by hash, and this package.
set -eu
venv=$1

fail() {
    printf 'mssviz: %s\n' "$*" >&2
    exit 1
}

works() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

if [ ! -x "$venv/bin/python" ] || ! works "$venv/bin/python"; then
    python=
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if works "$candidate"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] ||
        fail "needs Python 3.11, 3.12 or 3.13; install one, or name it: make setup PYTHON=/path/to/python"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
    echo "Making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

free=$(df -Pk "$venv" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge 4 ] || fail "$venv needs about 4 GB of disk, $free GB are free"

echo "Installing pinned packages (about 700 MB to download, a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --require-hashes --requirement requirements.lock ||
    fail "packages could not be installed; see pip's message above (network? proxy?)"
"$venv/bin/python" -m pip install --quiet --no-build-isolation --no-deps --editable . ||
    fail "mssviz itself could not be installed; see pip's message above"
