#!/bin/sh
# Install the linter of JavaScript and CSS, and the checker of pages for the tests, beside this file,
# as package-lock.json has them.
set -eu
cd "$(dirname "$0")"

fail() {
    printf 'mssviz: %s\n' "$*" >&2
    exit 1
}

for program in node npm; do
    command -v "$program" >/dev/null ||
        fail "Node.js 20.19 or later is needed for JavaScript and CSS, and $program is not on the PATH"
done
npm ci --silent || fail "they could not be installed; run 'npm ci' in tools/js to see why (network? proxy?)"
